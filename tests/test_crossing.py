# SPDX-License-Identifier: Apache-2.0
"""Which machine type two builds make alike, and what a matrix makes of a scenario's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from landfall.build import QemuBuild
from landfall.errors import Missing
from landfall.known import Entry
from landfall.machine_type import type_for
from landfall.plugin.crossing import Crossing


def types(version: str, *further: str) -> Mapping[str, str]:
    """Return the machine types of a version, with those of some older ones."""
    own = {f"pc-q35-{v}": f"pc-q35-{v}" for v in (version, *further)}
    return MappingProxyType({**own, "q35": f"pc-q35-{version}", "microvm": "microvm"})


@pytest.fixture
def old(build: QemuBuild) -> QemuBuild:
    """An old build."""
    return replace(build, name="7.2", version="7.2.22", machines=types("7.2"))


@pytest.fixture
def new(build: QemuBuild) -> QemuBuild:
    """A build that makes the old one's machines as well."""
    return replace(build, name="10.0", version="10.0.2", machines=types("10.0", "7.2"))


def test_alias_is_the_older_sides_newest(old: QemuBuild, new: QemuBuild) -> None:
    """Whichever way the guest goes, its machine is one that the older side knows."""
    assert type_for("q35", old, new) == type_for("q35", new, old) == "pc-q35-7.2"


def test_alias_stays_between_equals(new: QemuBuild) -> None:
    """Two sides of one version make the same machine of a name that has none."""
    assert type_for("q35", new, new) == "q35"
    assert type_for("microvm", new, new) == "microvm"


def test_version_that_was_asked_for_is_used(old: QemuBuild, new: QemuBuild) -> None:
    """A name with a version stands for itself, where both have it."""
    assert type_for("pc-q35-7.2", old, new) == "pc-q35-7.2"
    with pytest.raises(Missing, match=r"has no machine type pc-q35-10\.0"):
        type_for("pc-q35-10.0", old, new)


def test_machine_without_versions_is_promised_by_nobody(old: QemuBuild, new: QemuBuild) -> None:
    """Of microvm two builds may make different machines."""
    with pytest.raises(Missing, match="microvm has no versions"):
        type_for("microvm", old, new)


def test_type_that_was_removed_is_named(old: QemuBuild, new: QemuBuild) -> None:
    """A newer build that has dropped the older one's types cannot take its guests."""
    with pytest.raises(Missing, match=r"has no pc-q35-7\.2 any more, the newest q35 of QEMU 7"):
        type_for("q35", old, replace(new, machines=types("10.0")))


@pytest.mark.parametrize(
    ("pattern", "scenario"),
    [
        ("a.py::test_x[tcp]", "a.py::test_x[7.2-to-10.0-q35-tcp]"),
        ("a.py::test_x[tcp]", "a.py::test_x[round3-7.2-to-10.0-itself-tcp]"),
        ("a.py::test_x[tcp]", "a.py::test_x[tcp-round3]"),
        ("a.py::test_x", "a.py::test_x[round3-_usr_bin_qemu-to-10.0-pc]"),
        ("a.py::test_x", "a.py::test_x[5.2-to-5.2-pc]"),
    ],
)
def test_register_knows_a_scenario_in_a_matrix(
    pattern: str, scenario: str, new: QemuBuild
) -> None:
    """An entry's scenario is meant from whichever build to whichever, and in each round."""
    # fmt: off
    entry = Entry(
        "id", "title", "memory", "2026-11-24", "", ("10.*",), "either", "tcg", (pattern,), ("x",),
        (), "",
    )
    # fmt: on

    assert entry.concerns(scenario, new, new, "tcg")


def test_crossing_is_called_what_an_id_can_hold() -> None:
    """A build that is a path has a name without slashes and dashes there."""
    assert str(Crossing("/usr/bin/qemu-x", "10.0", "pc")) == "_usr_bin_qemu_x-to-10.0-pc"
