# SPDX-License-Identifier: Apache-2.0
"""The register excuses one bug in named scenarios on named builds, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.build import QemuBuild
from landfall.known import HANDFUL, Entry, match, register, too_wide
from landfall.verdict import Observation, ScenarioResult, Verdict

SCENARIO = "suites/test_speed.py::test_passes[tcp-16]"
ENTRY = Entry(
    id="lost",
    title="pages are lost",
    since="2026-11-23",
    url="",
    builds=("7.2.*",),
    side="source",
    accel="tcg",
    scenarios=("suites/test_speed.py::test_passes[*",),
    signatures=("^the memory at 0x[0-9a-f]+ is old$",),
    consequences=("^the guest on the destination is silent$",),
    evidence="measured",
)
SIGNATURE = "the memory at 0x5000 is old"
CONSEQUENCE = "the guest on the destination is silent"


def build(version: str) -> QemuBuild:
    """Return a build of some version."""
    return QemuBuild(
        name=version,
        path="/qemu",
        version=version,
        package="",
        machines={},
        capabilities=frozenset(),
        transports=frozenset(),
        incoming_exit_on_error=False,
    )


def broken(*texts: str, scenario: str = SCENARIO) -> ScenarioResult:
    """Return a broken scenario in which some things were observed."""
    seen = tuple(Observation("memory", text) for text in texts)
    return ScenarioResult(scenario, "promise", "claim", {}, Verdict.BROKEN, "memory", seen)


def excused(result: ScenarioResult, source: str = "7.2.22", accel: str = "tcg") -> bool:
    """Whether the entry excuses a scenario, with 10.0.2 on the other side."""
    return match(result, build(source), build("10.0.2"), accel, [ENTRY]) is ENTRY


@pytest.mark.parametrize("texts", [(SIGNATURE,), (SIGNATURE, CONSEQUENCE)])
def test_bug_and_what_follows_from_it_are_known(texts: tuple[str, ...]) -> None:
    """The signature alone, or with its consequences, is the known bug."""
    assert excused(broken(*texts))


@pytest.mark.parametrize(
    "texts", [(), (CONSEQUENCE,), (SIGNATURE, "the TSC went back"), ("the memory is fine",)]
)
def test_what_the_bug_does_not_explain_is_not_excused(texts: tuple[str, ...]) -> None:
    """No observation, a consequence alone, or one more observation is not the known bug."""
    assert not excused(broken(*texts))


def test_other_scenario_build_or_accelerator_is_not_excused() -> None:
    """An entry speaks of its own scenarios, builds, side and accelerator."""
    elsewhere = broken(SIGNATURE, scenario="suites/test_speed.py::test_other[tcp-16]")

    assert not excused(elsewhere)
    assert not excused(broken(SIGNATURE), source="7.1.0")
    assert not excused(broken(SIGNATURE), accel="kvm")
    assert match(broken(SIGNATURE), build("10.0.2"), build("7.2.22"), "tcg", [ENTRY]) is None


def test_entry_that_excuses_too_much_is_told() -> None:
    """An entry that matches more than a handful of scenarios is an error in the register."""
    known = replace(broken(SIGNATURE), verdict=Verdict.KNOWN, known="lost")

    assert too_wide([known] * HANDFUL) == {}
    assert too_wide([known] * (HANDFUL + 1)) == {"lost": HANDFUL + 1}


def test_register_can_be_read() -> None:
    """The register that is shipped names scenarios and builds, and never all of them."""
    for entry in register():
        assert entry.scenarios
        assert "*" not in entry.scenarios
        assert entry.signatures
        assert "*" not in entry.builds
