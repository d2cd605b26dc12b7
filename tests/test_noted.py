# SPDX-License-Identifier: Apache-2.0
"""A scenario that is noted is never counted as kept, and is told with its reason everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import HarnessError
from landfall.judgement import Judgement
from landfall.plugin.scenario import _verdict
from landfall.report import html, results
from landfall.report.terminal import summary
from landfall.verdict import Finding, Observation, Verdict
from tests.command import qualify

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
SAW = Observation("cpu", "register cpuid.1.ecx changed")
BLIND = Finding("memory", Verdict.NOTED, "the memory oracle saw nothing")


class FakeStage:
    """What a verdict needs of a stage."""

    def __init__(self, *notes: str, at_own_risk: bool = False) -> None:
        self.notes = list(notes)
        self.at_own_risk = {"destination"} if at_own_risk else set()


def judgement(**changes: Any) -> Judgement:
    """Return a judgement that found nothing, changed."""
    found = Judgement((), (), (), (), (), (), 0.0, 0.0)
    return replace(found, **changes)


def verdict(
    stage: FakeStage, error: BaseException | None = None, *observations: Observation, **found: Any
) -> tuple[Verdict, str]:
    """Return a scenario's verdict and its reason."""
    return _verdict(error, list(observations), judgement(**found), stage)  # type: ignore[arg-type]


def test_note_is_the_reason() -> None:
    """A scenario in which nothing broke and something was noted is noted, with the note."""
    assert verdict(FakeStage("QEMU did it")) == (Verdict.NOTED, "QEMU did it")


def test_guest_that_suffered_nothing_at_its_own_risk_is_told() -> None:
    """Where the guest was at its own risk the reason says that nothing was seen."""
    assert verdict(FakeStage("QEMU took it", at_own_risk=True)) == (
        Verdict.NOTED,
        "QEMU took it; the guest then: nothing that the oracles could see",
    )


def test_fate_is_told_behind_the_note() -> None:
    """What the guest suffered, and what nobody could see any more, stand behind the note."""
    stage = FakeStage("QEMU took it", at_own_risk=True)

    told = verdict(stage, suffered=(SAW, SAW, SAW), findings=(BLIND,))

    assert told == (
        Verdict.NOTED,
        "QEMU took it; the guest then: cpu: register cpuid.1.ecx changed; 2 more like it; "
        "the memory oracle saw nothing",
    )


@pytest.mark.parametrize("at_own_risk", [False, True])
def test_note_hides_no_error(at_own_risk: bool) -> None:  # noqa: FBT001 - a dimension
    """What the harness failed at stays an error, whatever was noted before."""
    stage = FakeStage("QEMU took it", at_own_risk=at_own_risk)

    got, reason = verdict(stage, HarnessError("no address"), suffered=(SAW,))

    assert (got, reason) == (Verdict.ERROR, "no address")


@pytest.mark.parametrize("at_own_risk", [False, True])
def test_note_hides_no_broken_promise(at_own_risk: bool) -> None:  # noqa: FBT001 - a dimension
    """What convicts is told first, whatever was noted before."""
    stage = FakeStage("QEMU took it", at_own_risk=at_own_risk)

    assert verdict(stage, None, SAW, suffered=(SAW,))[0] is Verdict.BROKEN


def test_note_hides_no_blind_oracle() -> None:
    """An oracle that should have seen and saw nothing makes a scenario unable, noted or not."""
    blind = Finding("memory", Verdict.UNABLE, "the memory oracle saw nothing")

    assert verdict(FakeStage("QEMU did it"), findings=(blind,))[0] is Verdict.UNABLE


def test_terminal_tells_what_was_noted() -> None:
    """The summary has what was noted under a heading of its own, with the scenario's id."""
    noted = SAMPLE.having(Verdict.NOTED)[0]
    text = "\n".join(summary(SAMPLE, Path("now"), colour=False, width=300))

    part = text.partition("\nNoted (1): what QEMU did, and no document covers\n")[2]
    assert part.splitlines()[:2] == [f"  * {noted.reason}", f"    {noted.id}"]


def test_report_tells_what_was_noted(tmp_path: Path) -> None:
    """The report lists what was noted, and shows the reason beside what the guest suffered."""
    noted = replace(
        SAMPLE.having(Verdict.NOTED)[0],
        reason="QEMU took it; the guest then: register changed",
        observations=(Observation("cpu", "register changed"),),
    )

    text = html.page(replace(SAMPLE, scenarios=(noted,), asked=1), tmp_path)

    assert "What QEMU did, and no document covers (1 scenario)" in text
    assert text.count("QEMU took it; the guest then: register changed") == 2


@pytest.mark.qemu
def test_noted_scenario_of_a_run() -> None:
    """A run whose one scenario is noted ends with 0, kept none, and says why."""
    with qualify("-k", "no_document_speaks_of and without-sse3", profile="default") as under_way:
        ended = under_way.ended()

    scenario = ended.scenario("[cpu-without-sse3]")
    assert ended.status == 0
    assert scenario["verdict"] == "noted"
    assert "took the guest" in scenario["reason"]
    assert "cpuid.1.ecx" in scenario["observations"][0]["text"]
    assert "1 xfailed" in ended.output
    assert "0 kept, 1 noted" in ended.output
