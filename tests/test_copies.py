# SPDX-License-Identifier: Apache-2.0
"""A saved guest that is loaded twice is two guests; that excuses nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import History, Side
from landfall.oracles import judge
from landfall.verdict import Verdict
from tests.life import beats, moved, verified, with_source


def loaded_twice(copy_of: str) -> History:
    """Return the history of a guest whose file was loaded by two destinations."""
    history = moved()
    first = history.sides[1]
    second = Side(
        name="second",
        origin="source",
        heard=(*beats(41, 10, at=1.32, guest_time=1.0), verified(51, 1.6)),
        events=tuple(replace(e, at=e.at + 0.2) for e in first.events),
        status="running",
        exit_status=0,
        ended_by_us="quit",
        copy_of=copy_of,
    )
    again = replace(history.journeys[0], destination="second", ended=1.31)
    return replace(history, sides=(*history.sides, second), journeys=(*history.journeys, again))


def broken(history: History) -> dict[str, str]:
    """Return the broken promises with what is said against each."""
    findings = [f for f in judge(history) if f.verdict is Verdict.BROKEN]
    return {f.oracle: " | ".join(o.text for o in f.observations) for f in findings}


def test_copy_may_run_beside_the_first() -> None:
    """Two guests that were loaded from one file may both run."""
    assert broken(loaded_twice(copy_of="destination")) == {}


def test_two_that_are_no_copies_may_not() -> None:
    """Without the file that both were loaded from, two that run are one too many."""
    said = broken(loaded_twice(copy_of=""))

    assert "the guest ran on the destination and on the second" in said["ownership"]


@pytest.mark.parametrize("status", ["running", "postmigrate"])
def test_source_may_not_run_beside_a_copy(status: str) -> None:
    """A source that goes on beside the guests made of its file is convicted with each."""
    history = loaded_twice(copy_of="destination")
    source = history.sides[0]
    more = beats(41, 10, at=1.4, guest_time=1.01)

    said = broken(with_source(history, heard=(*source.heard, *more), status=status))

    assert "the guest ran on the source and on the destination" in said["ownership"]
    assert "the guest ran on the source and on the second" in said["ownership"]


def test_fault_of_a_copy_is_its_own() -> None:
    """What breaks in a copy is told, and told once."""
    history = loaded_twice(copy_of="destination")
    *others, second = history.sides
    bad = replace(second, heard=(*second.heard[:-1], verified(51, 1.6, bad=3)))

    said = broken(replace(history, sides=(*others, bad)))

    assert said == {"memory": "3 of 8007 pages on the second are not as written"}


def test_copy_that_was_not_checked_is_not_kept() -> None:
    """A copy whose memory nobody checked leaves the memory oracle unable."""
    history = loaded_twice(copy_of="destination")
    *others, second = history.sides
    unchecked = replace(second, heard=second.heard[:-1])

    verdicts = {f.oracle: f.verdict for f in judge(replace(history, sides=(*others, unchecked)))}

    assert verdicts["memory"] is Verdict.UNABLE
