# SPDX-License-Identifier: Apache-2.0
"""What changed between two builds: which differences endanger a guest, and which way it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from landfall.build import QemuBuild
from landfall.changes import states, told
from landfall.changes.between import differences
from landfall.changes.danger import Danger, Difference, Effect, Way
from landfall.changes.survey import Survey, survey

State = Mapping[str, Any]


def field(name: str, size: int = 4, version: int = 0, **more: object) -> State:
    """Return a field as -dump-vmstate writes it."""
    return {"field": name, "version_id": version, "field_exists": False, "size": size, **more}


def device(*fields: State, version: int = 1, least: int = 1, **more: object) -> dict[str, State]:
    """Return the dump of one device."""
    body = {"name": "dev", "version_id": version, "minimum_version_id": least, "Fields": fields}
    return {"dev": {"Name": "dev", "Description": {**body, **more}}}


def dangers(here: Mapping[str, State], there: Mapping[str, State]) -> list[tuple[Way, Effect]]:
    """Return what each difference means, without why."""
    return [(d.way, d.effect) for one in states.compared(here, there) for d in one.dangers]


def test_equal_states_are_equal() -> None:
    """Nothing is said of what has not changed."""
    assert not list(states.compared(device(field("a")), device(field("a"))))


def test_higher_version_is_refused_on_its_way_back() -> None:
    """A newer version that still reads the older one is refused by the older reader alone."""
    here, there = device(field("a")), device(field("a"), field("b", version=2), version=2)

    assert dangers(here, there)[0] == (Way.BACK, Effect.REFUSED)
    assert (Way.THERE, Effect.MISREAD) not in dangers(here, there)


def test_version_that_is_too_low_is_refused() -> None:
    """A reader that wants a higher version refuses the older stream."""
    here, there = device(field("a")), device(field("a"), version=2, least=2)

    assert set(dangers(here, there)) == {(Way.THERE, Effect.REFUSED), (Way.BACK, Effect.REFUSED)}


def test_field_of_another_size_is_misread() -> None:
    """Without another version nobody notices that a field has grown."""
    assert set(dangers(device(field("a", 4)), device(field("a", 8)))) == {
        (Way.THERE, Effect.MISREAD),
        (Way.BACK, Effect.MISREAD),
    }


def test_new_name_of_a_field_is_harmless() -> None:
    """Names do not travel."""
    (one,) = states.compared(device(field("a")), device(field("b")))

    assert not one.dangers


def test_placeholder_for_a_field_is_harmless() -> None:
    """What is written for nobody any more is read as nothing."""
    assert not dangers(device(field("a", 1)), device(field("unused", 5)))


def test_size_of_a_structure_is_not_written() -> None:
    """Of a structure its fields travel, and are what is compared."""
    inner = device(field("a"))["dev"]["Description"]
    grown = device(field("a"), field("b"))["dev"]["Description"]

    same = device(field("s", 100, Description=inner)), device(field("s", 120, Description=inner))
    assert not list(states.compared(*same))
    other = device(field("s", 100, Description=inner)), device(field("s", 100, Description=grown))
    assert set(dangers(*other)) == {(Way.THERE, Effect.MISREAD), (Way.BACK, Effect.MISREAD)}


def test_subsection_that_one_side_has_is_refused_where_it_is_written() -> None:
    """A subsection travels where it is needed, and a reader that does not know it refuses it."""
    sub = device(field("a"))["dev"]["Description"]
    here = device(field("a"), Subsections=[{**sub, "name": "dev/sub"}])

    assert dangers(here, device(field("a"))) == [(Way.THERE, Effect.ONLY_IF_USED)]
    assert dangers(device(field("a")), here) == [(Way.BACK, Effect.ONLY_IF_USED)]


@pytest.fixture(scope="module")
def surveyed(build: QemuBuild) -> Survey:
    """What a real build says of q35."""
    return survey(build, build.machines["q35"])


@pytest.mark.qemu
def test_build_does_not_differ_from_itself(surveyed: Survey, build: QemuBuild) -> None:
    """Nothing that is compared changes from one start of a build to the next."""
    again = survey(build, build.machines["q35"])

    assert list(differences(surveyed, again)) == []
    assert len(again.states) > 100
    assert {"virtio-net-pci", "e1000e"} <= {n for n, values in again.devices.items() if values}
    assert "qemu64" in again.cpus
    assert "multifd" in again.capabilities


@pytest.mark.qemu
def test_every_kind_of_change_is_told(surveyed: Survey) -> None:
    """A property, a flag, a capability and a device that differ are named with their danger."""
    changed = replace(
        surveyed,
        properties={**surveyed.properties, "hpet": not surveyed.properties["hpet"]},
        cpus={**surveyed.cpus, "qemu64": {**surveyed.cpus["qemu64"], "lm": False}},
        capabilities={k: v for k, v in surveyed.capabilities.items() if k != "multifd"},
        types=surveyed.types - {"e1000"},
    )
    found = {(one.kind, one.subject): one for one in differences(surveyed, changed)}

    assert found["machine", "hpet"].dangers[0].effect is Effect.CHANGED
    assert found["cpu", "lm of qemu64"].there == "off"
    assert found["capability", "multifd"].dangers[0].way is Way.THERE
    assert found["device", "e1000"].dangers[0].way is Way.THERE


def test_text_begins_with_what_endangers(build: QemuBuild) -> None:
    """What is harmless is counted, and told when all is asked for."""
    one = Difference("cpu", "lm of x", "on", "off", (Danger(Way.THERE, Effect.REFUSED, "so"),))
    other = Difference("call", "migrate mode", "", "there is")
    here, there = replace(build, name="a"), replace(build, name="b")

    told_of = list(told.as_text(here, there, "q35", [one, other]))
    assert "  REFUSED, a to b: so:" in told_of
    assert "    lm of x: a: on; b: off" in told_of
    assert not any("migrate mode" in line for line in told_of)
    everything = told.as_text(here, there, "q35", [one, other], all_of_it=True)
    assert "    only in b: migrate mode" in list(everything)
    document = json.loads(told.as_json(here, there, "q35", [one, other]))
    assert document["differences"][0]["dangers"][0]["way"] == "there"
