# SPDX-License-Identifier: Apache-2.0
"""An entry of the register excuses what it names, and nothing beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from landfall import known
from landfall.build import QemuBuild
from landfall.errors import UsageError
from landfall.host import LocalHost
from landfall.known import HANDFUL, Entry
from landfall.verdict import Observation, ScenarioResult, Verdict
from tests.command import ROOT

SIGNED = "on the destination page 0x1000 is older than it was"
FOLLOWS = "on the destination vCPU 1 took exception 14"
FOREIGN = "on the source the TSC of vCPU 0 went back from 0x20 to 0x10"
SCENARIO = "suites/test_speed.py::test_sent_again[tcp-16]"
ENTRY = Entry(
    id="lost-page",
    title="QEMU loses a page",
    since="2026-11-23",
    url="",
    builds=("7.2.*",),
    side="source",
    accel="tcg",
    scenarios=("suites/test_speed.py::test_sent_again[tcp*",),
    signatures=("^on the destination page 0x[0-9a-f]+ is older",),
    consequences=(r"\bdestination\b",),
    evidence="9 of 9 runs",
)

HERE = LocalHost()


def build(version: str) -> QemuBuild:
    """Return a build that says it is of a version."""
    nothing: frozenset[str] = frozenset()
    return QemuBuild(
        version,
        "/qemu",
        version,
        package="",
        machines={},
        capabilities=nothing,
        parameters=nothing,
        transports=nothing,
        commands=nothing,
        incoming_exit_on_error=False,
        host=HERE,
    )


GUILTY, SOUND = build("7.2.22"), build("10.0.2")


def broken(*texts: str, scenario: str = SCENARIO) -> ScenarioResult:
    """Return a broken scenario in which these things were observed."""
    observed = tuple(Observation("memory", text) for text in texts)
    return ScenarioResult(scenario, "", "", {}, Verdict.BROKEN, "", observed)


def excused(
    result: ScenarioResult,
    source: QemuBuild = GUILTY,
    destination: QemuBuild = SOUND,
    accel: str = "tcg",
    entry: Entry = ENTRY,
) -> bool:
    """Whether the entry excuses a result."""
    return known.match(result, source, destination, accel, [entry]) is entry


@pytest.mark.parametrize(
    "texts",
    [[SIGNED], [SIGNED, SIGNED], [SIGNED, FOLLOWS], [FOLLOWS, SIGNED]],
    ids=["signature", "twice", "and-consequence", "consequence-first"],
)
def test_signature_and_what_follows_from_it_are_excused(texts: list[str]) -> None:
    """The bug's signature is excused, alone or with what follows from it."""
    assert excused(broken(*texts))


@pytest.mark.parametrize(
    "texts",
    [[], [FOLLOWS], [FOREIGN], [SIGNED, FOREIGN], [SIGNED, FOLLOWS, FOREIGN]],
    ids=["nothing", "consequence", "foreign", "and-foreign", "all-and-foreign"],
)
def test_what_the_bug_does_not_explain_is_not_excused(texts: list[str]) -> None:
    """Without the signature, or with anything foreign to the bug, nothing is excused."""
    assert not excused(broken(*texts))


def test_other_scenario_is_not_excused() -> None:
    """The same words in another scenario, or with other parameters, are not excused."""
    others = [SCENARIO.replace(*change) for change in (("speed", "time"), ("tcp", "unix"))]

    assert [other for other in others if excused(broken(SIGNED, scenario=other))] == []


@pytest.mark.parametrize("place", ["landfall/", "../v/lib/python3/site-packages/landfall/"])
def test_place_of_the_suites_does_not_matter(place: str) -> None:
    """A scenario of the installed suites is the same scenario."""
    assert excused(broken(SIGNED, scenario=place + SCENARIO))


def test_scenario_that_ends_alike_is_not_excused() -> None:
    """A file whose name ends like the one that is named is another file."""
    assert not excused(broken(SIGNED, scenario=f"my{SCENARIO}"))


def test_other_accelerator_is_not_excused() -> None:
    """The same words under another accelerator are not excused."""
    assert not excused(broken(SIGNED), accel="kvm")


@pytest.mark.parametrize(
    ("side", "source", "destination", "guilty"),
    [
        ("source", GUILTY, SOUND, True),
        ("source", SOUND, GUILTY, False),
        ("destination", SOUND, GUILTY, True),
        ("destination", GUILTY, SOUND, False),
        ("either", GUILTY, SOUND, True),
        ("either", SOUND, GUILTY, True),
        ("either", SOUND, SOUND, False),
        ("source", build("7.20.1"), SOUND, False),
    ],
)
def test_other_build_is_not_excused(
    side: str,
    source: QemuBuild,
    destination: QemuBuild,
    guilty: bool,  # noqa: FBT001
) -> None:
    """Only the builds that are named, on the side that is named, are excused."""
    entry = replace(ENTRY, side=side)

    assert excused(broken(SIGNED), source, destination, entry=entry) is guilty


@pytest.mark.parametrize("round_", ["[round7-tcp-16]", "[tcp-round7-16]", "[tcp-16-round7]"])
def test_round_does_not_matter(round_: str) -> None:
    """A scenario is the same in every round of --loop."""
    entry = replace(ENTRY, scenarios=(SCENARIO,))

    assert excused(broken(SIGNED, scenario=SCENARIO.replace("[tcp-16]", round_)), entry=entry)


def known_results(number: int, name: Callable[[int], str]) -> list[ScenarioResult]:
    """Return scenarios that the entry excused."""
    plain = replace(broken(SIGNED), verdict=Verdict.KNOWN, known=ENTRY.id)
    return [replace(plain, id=name(n)) for n in range(number)]


def test_entry_that_excuses_a_handful_is_narrow() -> None:
    """As many scenarios as a handful may be excused by one entry."""
    assert known.too_wide(known_results(HANDFUL, lambda n: f"test_x[{n}]")) == {}


def test_entry_that_excuses_more_than_a_handful_is_too_wide() -> None:
    """An entry that excuses more is told, with how many."""
    results = known_results(HANDFUL + 1, lambda n: f"test_x[{n}]")

    assert known.too_wide(results) == {ENTRY.id: HANDFUL + 1}


def test_rounds_do_not_make_an_entry_wide() -> None:
    """A scenario that is excused in each of many rounds is one scenario."""
    assert known.too_wide(known_results(100, lambda n: f"test_x[round{n}-tcp]")) == {}


def test_only_what_is_known_counts() -> None:
    """Scenarios that nothing excused make no entry wide."""
    assert known.too_wide([broken(SIGNED, scenario=f"test_x[{n}]") for n in range(100)]) == {}


# -- the register itself ----------------------------------------------------


def scenarios_of(path: Path) -> set[str]:
    """Return the ids of a suite's tests, without their parameters."""
    tree = ast.walk(ast.parse(path.read_text()))
    names = [node.name for node in tree if isinstance(node, ast.FunctionDef)]
    return {f"suites/{path.name}::{name}" for name in names if name.startswith("test_")}


@pytest.mark.parametrize("entry", known.register(), ids=lambda entry: entry.id)
def test_entry_is_whole(entry: Entry) -> None:
    """An entry names builds, scenarios and words, and tells what was measured."""
    wild = [p for p in (*entry.builds, *entry.scenarios) if set(p) <= set("*?.")]
    empty = [p for p in (*entry.signatures, *entry.consequences) if known._matches([p], "")]

    assert entry.signatures
    assert entry.evidence
    assert entry.side in ("source", "destination", "either")
    assert entry.accel in ("tcg", "kvm")
    assert wild == empty == []


@pytest.mark.parametrize("entry", known.register(), ids=lambda entry: entry.id)
def test_entry_names_scenarios_that_there_are(entry: Entry) -> None:
    """Each pattern of an entry matches the tests of the suites, and not all of them, or a device.

    `devices::NAME` is that device's row of `state devices`.
    """
    ids = {id_ for path in (ROOT / "suites").glob("test_*.py") for id_ in scenarios_of(path)}
    found = {
        pattern: {id_ for id_ in ids if fnmatchcase(id_, pattern.partition("[")[0])}
        for pattern in entry.scenarios
        if not re.fullmatch(r"devices::[\w-]+", pattern)
    }

    assert [pattern for pattern, matched in found.items() if not matched] == []
    assert len(set().union(*found.values())) <= HANDFUL


def test_register_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A register that cannot be read is an error that names its file."""
    register = tmp_path / "known.toml"
    register.write_text("[[finding]]\nid = 'lost-page'\n")

    with pytest.raises(UsageError, match=r"known\.toml"):
        known.register(register)
