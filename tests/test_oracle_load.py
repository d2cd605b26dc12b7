# SPDX-License-Identifier: Apache-2.0
"""The load oracle's rules, each on a made-up history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.oracles import load
from landfall.verdict import Verdict
from tests import life

EVERY = 0.25


def told(at: float, rounds: int, *, rewrote: int | None = None, io: int = 1) -> Heard:
    """Return what a guest says of its load."""
    words = (
        f"@0 load memory=1 cpu=2 io={io:x} rewrote={rounds if rewrote is None else rewrote:x} "
        f"reckoned={rounds:x} passed={rounds:x} wrong=0"
    )
    return Heard(life.statement(words), at)


def moved(*after: Heard) -> History:
    """Return a history of a guest under load, and what it said of it on the destination."""
    healthy = life.moved()
    before = [told(0.3 + n * EVERY, 100 + n * 10) for n in range(3)]
    heard = tuple(sorted((*healthy.sides[0].heard, *before), key=lambda one: one.at))
    there = (*healthy.sides[1].heard, *after)
    return life.with_destination(life.with_source(healthy, heard=heard), heard=there)


def test_guest_under_no_load_is_none_of_its_business() -> None:
    """A guest that says nothing of load keeps the promise without earning anything."""
    finding = load.judge(life.moved())

    assert finding.verdict is Verdict.KEPT
    assert finding.reason == "the guest is under no load"


def test_load_that_goes_on_is_kept() -> None:
    """Rounds of every kind that were done afterwards are what keeps the promise."""
    finding = load.judge(moved(told(1.2, 130), told(1.45, 145)))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {
        "memory_load_rounds_after": 15,
        "cpu_load_rounds_after": 15,
        "io_load_rounds_after": 15,
    }


def test_load_that_was_not_seen_at_work_is_not_kept() -> None:
    """What was not seen at work afterwards keeps nothing; what has ended need not be seen."""
    blind = load.judge(moved(told(1.2, 130), told(1.45, 145, rewrote=130)))
    ended = load.judge(moved(told(1.2, 130, io=0), told(1.45, 145, io=0)))

    assert blind.verdict is Verdict.UNABLE
    assert "io_load_rounds_after" not in ended.earned


@pytest.mark.parametrize("name", ["memory", "cpu", "io"])
def test_wrong_result_is_told_with_what_must_come_out(name: str) -> None:
    """A result that is not the one that must come out convicts, with both."""
    words = f"@0 stress name={name} worker=1 found=bad expected=900d"
    history = moved(told(1.2, 130), Heard(life.statement(words), 1.3), told(1.45, 145))

    texts = [o.text for o in load.judge(history).observations]

    assert texts == [
        f"on the destination thread 1 of the {name} load found 0xbad where 0x900d must come out"
    ]


def test_load_that_stands_still_is_told() -> None:
    """Threads that do nothing for seconds, in a guest that goes on, convict by their kind."""
    later = [told(1.2 + n * EVERY, 130 + n * 10, rewrote=130) for n in range(20)]

    texts = [o.text for o in load.judge(moved(*later)).observations]

    assert texts == [
        "on the destination the memory load stands still at round 130 for 4.75 s; before it "
        "stood still for 0.25 s at most"
    ]


def test_guest_that_does_not_run_stands_still_rightly() -> None:
    """A guest that was stopped afterwards is not convicted of standing still."""
    later = [told(1.2 + n * EVERY, 130, rewrote=130) for n in range(20)]
    stopped = replace(moved(*later).sides[1], status="paused")

    history = replace(moved(*later), sides=(moved().sides[0], stopped))

    assert not load.judge(history).observations
