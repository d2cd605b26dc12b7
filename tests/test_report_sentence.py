# SPDX-License-Identifier: Apache-2.0
"""The verdict in one sentence: promises, coverage, build and hosts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landfall.report import results
from landfall.report.run import Run
from landfall.report.sentence import sentence
from landfall.verdict import ScenarioResult, Verdict

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
HERE = {"source": {"name": "alpha"}, "destination": {"name": "beta"}}
ONE = {"source": {"version": "10.0.2"}, "destination": {"version": "10.0.2"}}
TWO = {"source": {"version": "7.2.22"}, "destination": {"version": "10.0.2"}}


def run(*verdicts: str, asked: int = 0, status: int = 0, **changed: object) -> Run:
    """A run whose scenarios are told as «promise verdict»."""
    scenarios = tuple(
        replace(
            SAMPLE.scenarios[0],
            id=f"{n}",
            promise=word.split()[0],
            verdict=Verdict(word.split()[1]),
        )
        for n, word in enumerate(verdicts)
    )
    made = replace(
        SAMPLE,
        scenarios=scenarios,
        asked=asked or len(verdicts),
        exit_status=status,
        accel="kvm",
        hosts=HERE,
        builds=ONE,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param(
            run("a kept", "b kept"),
            "All 2 promises kept; 2 of 2 scenarios ran to a verdict (100 %); "
            "QEMU 10.0.2 to itself, on alpha to beta, kvm.",
            id="kept",
        ),
        pytest.param(
            run("a broken", "b kept", "c known", builds=TWO, status=1),
            "1 of 3 promises broken (a scenario's own claim), 1 kept, "
            "1 broken by known bugs only; 3 of 3 scenarios ran to a verdict (100 %); "
            "QEMU 7.2.22 to 10.0.2, on alpha to beta, kvm.",
            id="broken",
        ),
        pytest.param(
            run("a kept", "a unable", "b unable", "c noted", "d error", status=3),
            "1 of 4 promises kept, 1 not judged because of errors, 1 only noted, "
            "1 unable to be shown; 2 of 5 scenarios ran to a verdict (40 %); ",
            id="not all",
        ),
        pytest.param(
            run("a kept", asked=2000, status=2),
            "Interrupted: all 1 promise kept; 1 of 2000 scenarios ran to a verdict (0.1 %); ",
            id="interrupted",
        ),
        pytest.param(run(asked=3), "Nothing was run; 0 of 3 scenarios ran", id="nothing"),
        pytest.param(
            run(asked=3, status=2),
            "Interrupted before any scenario had its result; 0 of 3 scenarios ran",
            id="cut at once",
        ),
        pytest.param(
            run("a kept", hosts={}, builds={}),
            "All 1 promise kept; 1 of 1 scenario ran to a verdict (100 %); "
            "a QEMU that is not known, on hosts that are not known, kvm.",
            id="unknown",
        ),
    ],
)
def test_run_is_told_in_one_sentence(told: Run, words: str) -> None:
    """The sentence says what was kept and broken, how much ran, of what, and where."""
    assert sentence(told).startswith(words)


def test_nearly_all_is_not_all() -> None:
    """A share that rounds to all says that it is not."""
    many = [ScenarioResult(f"{n}", "a", "", {}, Verdict.KEPT, "") for n in range(4999)]

    assert "4999 of 5000 scenarios ran to a verdict (99.9 %)" in sentence(
        replace(run(asked=5000), scenarios=tuple(many))
    )
