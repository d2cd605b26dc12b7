# SPDX-License-Identifier: Apache-2.0
"""Guests that sleep, are off or have panicked: what must not be is convicted, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import Comparison, History
from landfall.line import Heard
from landfall.oracles import ORACLES, Oracle, contract, ownership, time
from landfall.verdict import Finding, Verdict
from tests import life


def told(finding: Finding) -> str:
    """Everything that a finding says."""
    return " | ".join(observation.text for observation in finding.observations)


def said(line: str, at: float) -> Heard:
    """What a guest says in one line."""
    return Heard(life.statement(line), at)


def departed(text: str, *, status: str) -> History:
    """A guest that left by its own will before it was moved, and that nobody runs."""
    healthy = life.moved()
    heard = (*healthy.sides[0].heard, said(f"@29 leaving id=1 text={text}", 0.995))
    gone = life.with_destination(life.with_source(healthy, heard=heard), heard=(), status=status)
    journey = replace(healthy.journeys[0], due=status, landed=status)
    compared = Comparison("source", "destination", 1 << 24)
    return replace(gone, journeys=(journey,), comparisons=(compared,))


def woken(*, tsc_from: float) -> History:
    """A guest that slept through a move and was woken; its TSC then."""
    asleep = departed("suspend", status="running")
    heard = (
        said("@2a woken id=1", 1.12),
        *life.beats(43, 10, at=1.14, guest_time=tsc_from),
        life.verified(53, 1.4),
    )
    return life.with_destination(asleep, heard=heard)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.name)
@pytest.mark.parametrize(("text", "status"), [("off", "shutdown"), ("panic", "guest-panicked")])
def test_guest_that_ended_need_not_testify(oracle: Oracle, text: str, status: str) -> None:
    """The silence of a guest that said that it ends is held against nobody."""
    finding = oracle.judge(departed(text, status=status))

    assert finding.verdict is not Verdict.BROKEN, told(finding)
    assert finding.verdict is Verdict.KEPT or oracle.name not in {
        "ownership", "memory", "time", "cpu", "contract",
    }  # fmt: skip


def test_guest_that_is_silent_without_a_word_is_not_excused() -> None:
    """A guest that did not say that it ends has to be heard, whatever QEMU calls it."""
    healthy = life.moved()

    finding = ownership.judge(life.with_destination(healthy, heard=(), status="shutdown"))

    assert finding.verdict is Verdict.UNABLE


@pytest.mark.parametrize("text", ["suspend", "off", "panic"])
def test_guest_that_runs_after_it_left_breaks_ownership(text: str) -> None:
    """A guest that left and is heard again, without having been woken, was run."""
    history = departed(text, status="running")
    heard = (said(f"@2a lingers id=1 text={text}", 1.7),)

    finding = ownership.judge(life.with_destination(history, heard=heard))

    assert finding.verdict is Verdict.BROKEN
    assert f"on the destination the guest ran after it had left by «{text}»" in told(finding)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.name)
def test_guest_that_was_woken_is_kept(oracle: Oracle) -> None:
    """A guest that slept through a move and woke keeps every promise."""
    finding = oracle.judge(woken(tsc_from=1.0))

    assert finding.verdict is not Verdict.BROKEN, told(finding)


def test_guest_that_wakes_twice_breaks_ownership() -> None:
    """A guest that wakes without having slept is told."""
    heard = (*life.moved().sides[1].heard, said("@34 woken id=1", 1.5))

    finding = ownership.judge(life.with_destination(life.moved(), heard=heard))

    assert "the guest woke, and was not asleep" in told(finding)


def test_tsc_may_begin_anew_when_a_machine_wakes() -> None:
    """A reading below one before sleep is kept; below one after waking it is told."""
    history = woken(tsc_from=0.01)
    late = (*history.sides[1].heard, *life.beats(54, 2, at=1.5, guest_time=0.005))

    assert "went back" not in told(time.judge(history))
    assert "went back" in told(time.judge(life.with_destination(history, heard=late)))


def test_jump_of_the_tsc_is_seen_over_a_side_where_the_guest_slept() -> None:
    """A guest that slept through two moves: the jump is reckoned from where it was heard last."""
    history = woken(tsc_from=60.0)
    source, destination = history.sides
    between = replace(destination, name="between", heard=(), status="postmigrate")
    last = replace(destination, origin="between")
    first = replace(history.journeys[0], destination="between")
    second = replace(history.journeys[0], source="between", started=1.105)
    moved_twice = replace(history, sides=(source, between, last), journeys=(first, second))

    finding = time.judge(moved_twice)

    assert "from the source to the destination the TSC jumped by" in told(finding)


@pytest.mark.parametrize(
    ("due", "landed"),
    [("suspended", "running"), ("running", "suspended"), ("guest-panicked", "paused")],
)
def test_guest_that_arrives_otherwise_breaks_the_contract(due: str, landed: str) -> None:
    """A guest that sleeps, runs or has panicked and arrives as something else is told."""
    journey = replace(life.moved().journeys[0], due=due, landed=landed)

    finding = contract.judge(replace(life.moved(), journeys=(journey,)))

    assert f"should be {due} when it arrives on the destination, and was {landed}" in told(finding)


def stayed(due: str, landed: str, *turns: str) -> History:
    """A guest that stayed where it was: how it should be, how it is, and what QEMU did."""
    healthy = life.moved()
    journey = replace(healthy.journeys[0], status="failed", was_live=False, due=due, landed=landed)
    events = (
        *life.statuses(0.5, "setup", "active", "failed"),
        *(life.event(turn, 0.6 + n / 100) for n, turn in enumerate(turns)),
    )
    source = life.with_source(healthy, events=events, status=landed)
    return replace(
        life.with_destination(source, events=(), heard=(), status=""), journeys=(journey,)
    )


def test_guest_that_is_run_after_a_failure_breaks_the_contract() -> None:
    """A stopped guest that a failed attempt leaves running is told, and so is one let go."""
    ran = contract.judge(stayed("paused", "running", "RESUME"))
    let_go = contract.judge(stayed("shutdown", "shutdown", "STOP", "RESUME"))
    kept = contract.judge(stayed("paused", "paused"))

    assert "should be paused on the source, and was running" in told(ran)
    assert "should be shutdown on the source, and was let go" in told(let_go)
    assert kept.verdict is Verdict.KEPT, told(kept)
