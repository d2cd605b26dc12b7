# SPDX-License-Identifier: Apache-2.0
"""A run says in one sentence and one number what became of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.report import results
from landfall.report.run import RAN, Run, exit_status, meaning, seen, tally, unsaid
from landfall.verdict import Blackout, Finding, Observation, ScenarioResult, Verdict

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
KEPT, BROKEN, ERROR = Verdict.KEPT, Verdict.BROKEN, Verdict.ERROR
KNOWN, NOTED, UNABLE = Verdict.KNOWN, Verdict.NOTED, Verdict.UNABLE


def having(*verdicts: Verdict) -> tuple[ScenarioResult, ...]:
    """Return scenarios with these verdicts; their ids are «0», «1» and so on."""
    plain = replace(SAMPLE.scenarios[0], reason="", observations=(), findings=())
    return tuple(replace(plain, id=f"{n}", verdict=each) for n, each in enumerate(verdicts))


def run_of(*verdicts: Verdict, asked: int = 0, status: int = 0, lacking: str = "") -> Run:
    """Return a run of scenarios with these verdicts."""
    return replace(
        SAMPLE,
        scenarios=having(*verdicts),
        asked=asked or len(verdicts),
        exit_status=status,
        lacking=frozenset(lacking),
    )


@pytest.mark.parametrize(
    ("verdicts", "asked", "lacking", "status"),
    [
        pytest.param([KEPT, KEPT], 2, "", 0, id="all kept"),
        pytest.param([KEPT, KNOWN, NOTED], 3, "", 0, id="known and noted are no shortfall"),
        pytest.param([KNOWN], 1, "", 0, id="only known"),
        pytest.param([NOTED], 1, "", 0, id="only noted"),
        pytest.param([KEPT, UNABLE], 2, "1", 0, id="unable, probed lacking"),
        pytest.param([KEPT, UNABLE], 2, "", 5, id="unable, not probed lacking: blind"),
        pytest.param([KEPT, UNABLE, UNABLE], 3, "1", 5, id="unable, one of two probed lacking"),
        pytest.param([KEPT], 2, "", 5, id="a scenario without a result"),
        pytest.param([KEPT], 2, "1", 5, id="lacking excuses no missing result"),
        pytest.param([UNABLE, UNABLE], 2, "01", 5, id="all probed lacking"),
        pytest.param([], 0, "", 5, id="nothing asked, nothing run"),
        pytest.param([KEPT, ERROR], 2, "", 3, id="an error"),
        pytest.param([ERROR, UNABLE], 9, "", 3, id="an error before a shortfall"),
        pytest.param([KEPT, BROKEN], 2, "", 1, id="a promise broken"),
        pytest.param([BROKEN, ERROR, UNABLE], 9, "", 1, id="broken before all else"),
    ],
)
def test_exit_status_is_the_gravest(
    verdicts: Sequence[Verdict], asked: int, lacking: str, status: int
) -> None:
    """Broken makes 1, else an error 3, else a shortfall 5, else 0."""
    scenarios = having(*verdicts)

    assert exit_status(scenarios, asked=asked, lacking=set(lacking)) == status


def test_one_result_twice_counts_once() -> None:
    """Two results with one id do not stand for two scenarios, and the graver one counts."""
    twice = (*having(UNABLE), *having(KEPT))

    assert exit_status(twice, asked=2, lacking=()) == 5
    assert exit_status(twice, asked=1, lacking=()) == 5


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        pytest.param(
            run_of(KEPT, KEPT, KNOWN, UNABLE, lacking="3"),
            "Every promise was kept: 2 kept, 1 known, 1 unable.",
            id="kept",
        ),
        pytest.param(
            run_of(KEPT, KEPT, asked=5, status=2),
            "Interrupted before every scenario had its verdict: 2 kept, 3 without a result.",
            id="interrupted",
        ),
        pytest.param(
            run_of(KEPT, ERROR, status=3),
            "No promise was broken, but the harness or a host failed in 1 scenario: "
            "1 kept, 1 error.",
            id="error",
        ),
        pytest.param(
            run_of(KEPT, status=3),
            "No promise was broken, but the harness or a host failed: 1 kept.",
            id="error outside the scenarios",
        ),
        pytest.param(
            run_of(UNABLE, lacking="0", status=5),
            "No promise was broken, but less ran than was asked for: 0 kept, 1 unable.",
            id="less than asked",
        ),
        pytest.param(
            run_of(KEPT, BROKEN, status=1),
            "1 promise broken: a scenario's own claim; scenarios: 1 kept, 1 broken.",
            id="broken without an observation",
        ),
        pytest.param(
            SAMPLE,
            "1 promise broken: memory; scenarios: 2 kept, 1 broken, 1 error, 1 known, 1 noted, "
            "1 unable.",
            id="broken",
        ),
    ],
)
def test_run_is_one_sentence(run: Run, sentence: str) -> None:
    """A run's verdict is a sentence that claims no more than its scenarios show."""
    assert run.verdict == sentence


def test_success_is_not_claimed_against_the_recorded_status() -> None:
    """A run that left with a graver status than its scenarios earn does not say «kept»."""
    run = run_of(KEPT, status=5)

    assert not run.verdict.startswith("Every promise was kept")


def test_lighter_findings_do_not_name_a_broken_promise() -> None:
    """A promise is named as broken only when the oracle that saw it says broken."""
    odd, wrong = Observation("contract", "it said nothing"), Observation("time", "it went back")
    findings = (Finding("contract", NOTED, "", (odd,)), Finding("time", BROKEN, "", (wrong,)))
    scenario = replace(having(BROKEN)[0], observations=(odd, wrong), findings=findings)

    run = replace(SAMPLE, scenarios=(scenario,))

    assert run.broken_promises == ("time",)


def test_promises_come_gravest_first() -> None:
    """Scenarios are grouped by promise, and the gravest stand first among both."""
    promises = SAMPLE.promises

    assert [promise.verdict for promise in promises] == [BROKEN, ERROR, KNOWN]
    assert [each.verdict for each in promises[0].scenarios] == [BROKEN, UNABLE, KEPT, KEPT]


def test_medians_are_of_what_ran() -> None:
    """Times of scenarios that did not go through, or are not known, enter no median."""
    unknown = replace(SAMPLE.scenarios[0], blackouts=(Blackout(float("nan"), 0.0),))
    run = replace(SAMPLE, scenarios=(*SAMPLE.scenarios, unknown))

    medians = run.medians

    assert medians["scenario"] == pytest.approx(0.5)
    assert medians["blackout"] == pytest.approx(0.02)
    assert {each.verdict for each in run.having(*RAN)} == {KEPT, BROKEN, KNOWN, NOTED}


def test_observations_are_told_once() -> None:
    """What a scenario and its oracle both hold against it is told once, the reason included."""
    broken = SAMPLE.having(BROKEN)[0]

    assert len(seen(broken)) == 4
    assert unsaid(broken) == ""
    assert unsaid(replace(broken, reason="QEMU died")) == "QEMU died"


def test_unable_reasons_are_counted() -> None:
    """Scenarios that could not run are grouped by their reason, the most frequent first."""
    reasons = ["no KVM", "no gnutls", "no gnutls"]
    scenarios = having(UNABLE, UNABLE, UNABLE)
    told = [replace(each, reason=why) for each, why in zip(scenarios, reasons, strict=True)]

    run = replace(SAMPLE, scenarios=tuple(told))

    assert list(run.unable_reasons) == [("no gnutls", 2), ("no KVM", 1)]


def test_tally_always_names_kept() -> None:
    """That nothing was kept is said, not left out."""
    assert tally(having(UNABLE)) == "0 kept, 1 unable"


def test_every_status_has_a_meaning() -> None:
    """Each exit status of the contract is told in words of its own."""
    assert len({meaning(status) for status in range(6)}) == 6
    assert meaning(77) == "not one of Landfall's own"
