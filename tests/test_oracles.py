# SPDX-License-Identifier: Apache-2.0
"""Every oracle keeps a healthy history and convicts a damaged one, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from landfall.blackout import between
from landfall.history import Comparison, Fate, History, Side
from landfall.line import Heard
from landfall.oracles import ORACLES, Oracle, contract, cpu, host, memory, ownership, time
from landfall.oracles.order import Release
from landfall.verdict import Finding, Verdict
from tests import life

Judge = Callable[[History], Finding]
PAGE = "@34 page cpu=0 addr=123000 found=0 expected=500024600 gen=5 during=verify bad=200"
TSC = "@34 tsc cpu=1 now=100 before=200 by=0"
REGISTER = "@34 register cpu=1 name=xmm3 found=1 expected=2"
TRAP = "@34 trap cpu=0 vector=e error=2 ip=101000 cr2=dead000"


def said(line: str) -> History:
    """A healthy history in which the guest also says `line` at the end."""
    healthy = life.moved()
    heard = (*healthy.sides[1].heard, Heard(life.statement(line), 1.5))
    return life.with_destination(healthy, heard=heard)


def told(finding: Finding) -> str:
    """Everything that a finding says."""
    return " | ".join(observation.text for observation in finding.observations)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.name)
def test_healthy_history_is_kept(oracle: Oracle) -> None:
    """A guest that was moved without harm keeps every promise, and something earned it."""
    finding = oracle.judge(life.moved())

    assert finding.verdict is Verdict.KEPT, told(finding)
    assert all(count > 0 for count in finding.earned.values())


def test_heartbeats_that_were_heard_late_convict_nobody() -> None:
    """A runner that heard nothing for a while is no clock: neither for a rate nor for a jump."""
    healthy = life.moved()
    source = healthy.sides[0]
    stop = next(event.at for event in source.events if event.name == "STOP")
    few, many = source.heard[:6], source.heard[6:]
    late = (replace(many[0], at=stop - 0.001), *(replace(h, at=stop + 0.09) for h in many[1:]))

    assert told(time.judge(life.with_source(healthy, heard=(*few, *late)))) == ""


def test_clock_of_a_guest_that_nobody_moved_is_judged() -> None:
    """A guest that was only refused to be moved is looked at all the same, over all its life."""
    heard = (*life.beats(1, 40, at=0.2, guest_time=0.2), life.verified(41, 1.1))
    alone = Side(name="source", heard=heard, status="running", exit_status=0, ended_by_us="quit")

    finding = time.judge(History("tcg", 2, (alone,)))

    assert finding.verdict is Verdict.KEPT, told(finding)
    assert finding.earned["tsc_samples_before"] == 40


@pytest.mark.parametrize(
    ("judge", "line", "words"),
    [
        (memory.judge, PAGE, "0x123000 holds 0000000000000000 where 0000000500024600"),
        (memory.judge, "@34 verified id=2 pages=1f47 bad=3 gen=2", "3 of 8007 pages"),
        (time.judge, TSC, "vCPU 1 read TSC 0x100 after vCPU 0 had read 0x200"),
        (cpu.judge, REGISTER, "register xmm3 of vCPU 1 holds 0x1 where the guest left 0x2"),
        (cpu.judge, TRAP, "vCPU 0 took exception 14"),
    ],
)
def test_what_the_guest_complains_of_convicts(judge: Judge, line: str, words: str) -> None:
    """A guest's own complaint breaks the promise it is about, with where and what."""
    finding = judge(said(line))

    assert finding.verdict is Verdict.BROKEN
    assert words in told(finding)


def test_both_sides_running_breaks_ownership() -> None:
    """A statement made on both sides means that two copies of the guest ran."""
    healthy = life.moved()
    source = (*healthy.sides[0].heard, *life.beats(41, 3, at=1.2, guest_time=1.0))

    finding = ownership.judge(life.with_source(healthy, heard=source))

    assert finding.verdict is Verdict.BROKEN
    assert "ran on the source and on the destination: statement 0x29" in told(finding)


@pytest.mark.parametrize(
    ("off", "together"), [(0.05, True), (2.0, False)], ids=["better", "worse"]
)
def test_clocks_that_may_be_off_convict_nobody_of_running_twice(
    off: float, *, together: bool
) -> None:
    """Two sides ran together only if that is so wherever their clocks may be."""
    healthy = life.moved()
    source = (*healthy.sides[0].heard, *life.beats(41, 3, at=1.2, guest_time=1.0))
    history = life.with_source(healthy, heard=source, uncertainty=off)

    [repeated] = history.repeated()

    assert repeated.together is together


def test_blackout_says_how_far_the_clocks_may_be_apart() -> None:
    """The uncertainty of two hosts' clocks is the blackout's as well."""
    here, there = (
        life.beats(1, 5, at=1.0, guest_time=0.0),
        life.beats(6, 5, at=1.5, guest_time=0.2),
    )

    near, far = between(here, there), between(here, there, 0.004)

    assert near is not None
    assert far is not None
    assert far.seconds == near.seconds
    assert far.uncertainty == pytest.approx(near.uncertainty + 0.004)


def test_lost_statement_breaks_ownership() -> None:
    """A number that nobody said is told."""
    healthy = life.moved()

    finding = ownership.judge(life.with_destination(healthy, heard=healthy.sides[1].heard[2:]))

    assert "statements 0x29 to 0x2a were never heard" in told(finding)


def test_single_vcpu_needs_no_comparison_with_another() -> None:
    """A guest with one vCPU keeps the promise of time without comparing vCPUs."""
    healthy = life.moved()
    alone = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, cpu=0, warps=0) for n in range(10)
    )
    history = life.with_destination(healthy, heard=(*alone, life.verified(51, 1.4)))

    assert time.judge(replace(history, vcpus=1)).verdict is Verdict.KEPT
    assert time.judge(history).verdict is not Verdict.KEPT


def test_silent_guest_breaks_ownership() -> None:
    """A destination that QEMU calls running, and whose guest says nothing, is convicted."""
    finding = ownership.judge(life.with_destination(life.moved(), heard=()))

    assert "its guest said nothing" in told(finding)


def test_guest_that_waits_for_its_memory_breaks_ownership() -> None:
    """A guest that went ahead of its memory, and whose memory never came, is the destination's."""
    history = life.moved()
    told_last = {"total": 1 << 24, "remaining": 4096, "postcopy-requests": 7}
    sample = {"status": "postcopy-active", "ram": told_last}
    journey = replace(
        history.journeys[0], status="", landed="", fate=Fate.AHEAD, samples=(sample,)
    )
    source, destination = history.sides
    silent = replace(destination, heard=(), events=destination.events[:-1])
    history = replace(history, sides=(source, silent), journeys=(journey,))

    text = told(ownership.judge(history))

    assert "the destination runs, but its guest said nothing after the last attempt" in text
    assert "the source says postcopy-active with 4096 bytes left to send" in text
    assert "and was asked for 7 pages; a vCPU that needs a page that does not come waits" in text
    assert told(contract.judge(history)) == "the attempt over tcp never came to rest"


def test_running_source_after_success_breaks_ownership() -> None:
    """A source that runs beside its destination is convicted by its run state alone."""
    finding = ownership.judge(life.with_source(life.moved(), status="running"))

    assert "«running» on source and on destination" in told(finding)


def test_memory_that_is_older_as_a_whole_is_seen() -> None:
    """A uniform rollback shows, because how far the guest had come is known outside it."""
    healthy = life.moved()
    old = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, gen=1, wrote=50) for n in range(10)
    )

    finding = memory.judge(life.with_destination(healthy, heard=(*old, life.verified(51, 1.4))))

    assert finding.verdict is Verdict.BROKEN
    assert "the memory is older than it was" in told(finding)


def test_guest_that_repeats_itself_has_an_older_memory() -> None:
    """Numbers said again after the source had stopped convict the memory."""
    healthy = life.moved()
    again = (*life.beats(35, 10, at=1.12, guest_time=1.0), life.verified(45, 1.4))
    history = life.with_destination(healthy, heard=again)

    assert "the guest repeats 6 statements" in told(memory.judge(history))
    assert "ran on" not in told(ownership.judge(history))


def test_pages_that_could_not_be_checked_break_memory() -> None:
    """A guest that owns more pages than it checks has lost sight of some."""
    healthy = life.moved()
    boot = Heard(
        life.statement("@0 boot guest=pulse bits=40 cpus=2 pages=1f48 features=rtc tick=989680"),
        0.1,
    )
    history = life.with_source(healthy, heard=(boot, *healthy.sides[0].heard))

    assert "owns 8008 pages, and on the destination it could check 8007" in told(
        memory.judge(history)
    )


def test_difference_of_both_rams_breaks_memory() -> None:
    """A byte that differs between both RAMs, while neither runs, is told with its address."""
    difference = Comparison("source", "destination", 1 << 25, ((0x5000, 0x6000),))

    finding = memory.judge(replace(life.moved(), comparisons=(difference,)))

    assert "differs from 0x5000 to 0x6000" in told(finding)


def test_tsc_below_the_sources_breaks_time() -> None:
    """A destination whose TSC starts below the source's last reading is convicted."""
    healthy = life.moved()
    heard = (*life.beats(41, 10, at=1.12, guest_time=0.01), life.verified(51, 1.4))

    finding = time.judge(life.with_destination(healthy, heard=heard))

    assert "the TSC of vCPU 0 went back" in told(finding)


def test_tsc_that_counts_the_blackout_breaks_time_under_tcg() -> None:
    """Under TCG the TSC stands still while nobody runs the guest; a jump is told with its size."""
    healthy = life.moved()
    heard = (*life.beats(41, 10, at=1.12, guest_time=1.6), life.verified(51, 1.4))

    finding = time.judge(life.with_destination(healthy, heard=heard))

    assert finding.verdict is Verdict.BROKEN
    assert "the TSC jumped by 0.6" in told(finding)


def test_rtc_that_leaves_the_wall_breaks_time() -> None:
    """A real-time clock that jumps while the wall does not is told with both."""
    healthy = life.moved()
    late = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, rtc="130000") for n in range(10)
    )

    finding = time.judge(life.with_destination(healthy, heard=(*late, life.verified(51, 1.4))))

    assert "the real-time clock has counted 3600 s" in told(finding)


def test_rtc_that_was_read_before_a_pause_is_kept() -> None:
    """The first heartbeats after a pause tell what the guest had read before it."""
    healthy = life.moved()
    stale = life.beats(41, 5, at=9.12, guest_time=1.0)
    read = life.beats(46, 5, at=9.22, guest_time=1.1)
    first = tuple(
        life.beat(41 + n, heard.at, 1.0 + n * 0.02, rtc="120000") for n, heard in enumerate(stale)
    )
    events = (life.event("RESUME", 9.1), *life.statuses(9.101, "completed"))
    heard = (*first, *read, life.verified(51, 9.5))
    history = life.with_destination(healthy, heard=heard, events=events)

    assert time.judge(history).verdict is Verdict.KEPT, told(time.judge(history))


def test_rtc_that_stands_still_breaks_time() -> None:
    """A clock that never moves is told, though every reading is the one before."""
    healthy = life.moved()
    still = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, rtc="120000") for n in range(200)
    )

    finding = time.judge(life.with_destination(healthy, heard=(*still, life.verified(241, 5.4))))

    assert "the real-time clock has counted 0 s" in told(finding)


def test_tsc_that_jumps_is_seen_however_soon_the_guest_left() -> None:
    """A guest heard for two heartbeats only before it left: the destination tells the rate."""
    healthy = life.moved()
    history = life.with_source(healthy, heard=healthy.sides[0].heard[-2:])
    later = (*life.beats(41, 10, at=1.12, guest_time=3601.0), life.verified(51, 1.4))

    assert time.judge(history).verdict is Verdict.KEPT
    assert "the TSC jumped by 3" in told(time.judge(life.with_destination(history, heard=later)))


def test_tsc_of_a_guest_that_was_stopped_before_it_left_is_kept() -> None:
    """Seconds in which the guest was stopped on the source do not make its TSC look slow."""
    healthy = life.moved()
    heard = (
        *life.beats(1, 10, at=-4.0, guest_time=0.2),
        *life.beats(11, 30, at=0.4, guest_time=0.4),
    )
    events = (life.event("STOP", -3.81), life.event("RESUME", 0.39), *healthy.sides[0].events)

    finding = time.judge(life.with_source(healthy, heard=heard, events=events))

    assert finding.verdict is Verdict.KEPT, told(finding)


def test_tsc_that_jumps_behind_a_statement_that_was_begun_on_the_source_is_seen() -> None:
    """The first heartbeat heard on the destination may have been made on the source."""
    healthy = life.moved()
    heard = (
        *life.beats(41, 1, at=1.12, guest_time=1.0),
        *life.beats(42, 9, at=1.14, guest_time=3601.0),
        life.verified(51, 1.4),
    )

    assert "the TSC jumped by 3" in told(time.judge(life.with_destination(healthy, heard=heard)))


def test_timer_of_a_vcpu_that_was_seen_once_is_not_kept() -> None:
    """With four vCPUs five heartbeats tell of one vCPU's timer: that is too little."""
    four = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, cpu=(41 + n) % 4) for n in range(5)
    )
    history = life.with_destination(life.moved(), heard=(*four, life.verified(46, 1.4)))

    finding = time.judge(replace(history, vcpus=4))

    assert finding.verdict is Verdict.UNABLE
    assert "no vcpus whose timer was seen" in finding.reason


def test_dead_timer_breaks_time() -> None:
    """A guest that answers and takes no timer interrupt is convicted of its timer."""
    healthy = life.moved()
    still = tuple(
        life.beat(41 + n, 1.12 + n * 0.02, 1.0 + n * 0.02, ticks=100, cticks=100)
        for n in range(10)
    )

    finding = time.judge(life.with_destination(healthy, heard=(*still, life.verified(51, 1.4))))

    assert "its timer interrupts stand still" in told(finding)


@pytest.mark.parametrize("judge", [memory.judge, time.judge, cpu.judge, ownership.judge])
def test_blind_oracle_is_unable_or_worse(judge: Judge) -> None:
    """An oracle that saw nothing afterwards never says kept."""
    finding = judge(life.with_destination(life.moved(), heard=(), status="paused"))

    assert finding.verdict is not Verdict.KEPT


def test_wrong_order_of_statuses_breaks_the_contract() -> None:
    """A status that may not follow the one before is told."""
    events = (*life.statuses(0.5, "setup", "active", "setup"), life.event("STOP", 1.0))

    finding = contract.judge(life.with_source(life.moved(), events=events))

    assert "the status went from active to setup" in told(finding)


@pytest.mark.parametrize(
    ("release", "names", "words"),
    [
        ((9, 2), ("setup", "active", "completed"), ""),
        ((10, 0), ("setup", "active", "completed"), "from active to completed"),
        ((10, 0), ("setup", "active", "device", "completed"), ""),
        ((10, 2), ("setup", "active", "failing", "failed"), "from active to failing"),
        ((11, 0), ("setup", "active", "failing", "failed"), ""),
        (None, ("setup", "active", "failing", "failed"), ""),
    ],
)
def test_order_is_that_of_the_release(
    release: Release | None, names: tuple[str, ...], words: str
) -> None:
    """What one release passes over another must pass through, and the reverse."""
    events = (*life.statuses(0.5, *names), life.event("STOP", 1.0))
    history = life.with_source(life.moved(), events=events, release=release)

    assert words in told(contract.judge(history))
    assert bool(words) == ("the status went" in told(contract.judge(history)))


def test_source_that_keeps_its_guest_passes_over_device() -> None:
    """A guest that is saved and stays is not handed over, also when a copy of it was loaded."""
    events = (*life.statuses(0.5, "setup", "active", "completed"), life.event("STOP", 1.0))
    history = life.with_source(life.moved(), events=events, release=(10, 0))
    copied = replace(history.journeys[0], keeps=True)

    assert told(contract.judge(replace(history, journeys=(copied,)))) == ""


@pytest.mark.parametrize(("release", "excused"), [((7, 2), True), ((8, 1), False)])
def test_stopped_guest_that_is_left_in_another_state(
    release: Release,
    *,
    excused: bool,
) -> None:
    """Only a release that is known for it may leave a stopped guest in postmigrate."""
    healthy = life.with_source(life.moved(), release=release)
    failed = replace(
        healthy.journeys[0], status="failed", was_live=False, due="paused", landed="postmigrate"
    )

    finding = contract.judge(replace(healthy, journeys=(failed,)))

    assert ("should be paused on the source" in told(finding)) is not excused


def test_order_of_a_destination_is_judged() -> None:
    """A destination that was done and goes on from where it cannot is told."""
    events = (*life.statuses(0.6, "active", "device"), life.event("RESUME", 1.1))
    history = life.with_destination(life.moved(), events=(*events, *life.statuses(1.2, "setup")))

    assert "on the destination the status went from device to setup" in told(
        contract.judge(history)
    )


def test_failed_load_that_let_the_guest_go_breaks_the_contract() -> None:
    """A destination that says RESUME although the attempt failed is told."""
    healthy = life.moved()
    journey = replace(healthy.journeys[0], status="failed")

    finding = contract.judge(replace(healthy, journeys=(journey,)))

    assert "and yet the destination said RESUME" in told(finding)


def test_second_attempt_is_not_held_against_the_first() -> None:
    """A guest that was moved after a cancelled attempt, to the same destination, kept it all."""
    healthy = life.moved()
    cancelled = replace(healthy.journeys[0], started=0.25, ended=0.3, status="cancelled")
    tried = life.statuses(0.26, "setup", "active", "cancelling", "cancelled")
    history = life.with_source(healthy, events=(*tried, *healthy.sides[0].events))

    finding = contract.judge(replace(history, journeys=(cancelled, *healthy.journeys)))

    assert finding.verdict is Verdict.KEPT, told(finding)


@pytest.mark.parametrize(("due", "landed"), [("running", "paused"), ("paused", "running")])
def test_guest_that_arrives_in_another_state_breaks_the_contract(due: str, landed: str) -> None:
    """A running guest that arrives stopped is told, and a stopped one that arrives running."""
    healthy = life.moved()
    journey = replace(healthy.journeys[0], due=due, landed=landed)

    finding = contract.judge(replace(healthy, journeys=(journey,)))

    assert f"should be {due} when it arrives on the destination, and was {landed}" in told(finding)


def test_progress_that_goes_back_breaks_the_contract() -> None:
    """What query-migrate says of its progress only grows."""
    healthy = life.moved()
    samples = ({"ram": {"transferred": 9, "total": 9}}, {"ram": {"transferred": 5, "total": 9}})

    finding = contract.judge(
        replace(healthy, journeys=(replace(healthy.journeys[0], samples=samples),))
    )

    assert "transferred went back from 9 to 5" in told(finding)


def test_qemu_that_died_breaks_the_contract() -> None:
    """A QEMU that ended by itself is told, with its last words."""
    dead = {"exit_status": -6, "ended_by_us": "", "stderr": "qemu: assertion failed\n"}

    finding = contract.judge(life.with_destination(life.moved(), **dead))

    assert "ended by itself with status -6: qemu: assertion failed" in told(finding)


def test_stray_process_breaks_the_host_promise() -> None:
    """A process that outlives both QEMUs is told with its command line."""
    finding = host.judge(replace(life.moved(), strays={42: "cat /tmp/fifo"}))

    assert "process 42 outlived its QEMU: cat /tmp/fifo" in told(finding)


def test_exit_status_of_a_destination_that_was_cut_off_is_its_own() -> None:
    """Told to quit, a QEMU ends with 0; one whose stream had broken off may end with 1."""
    healthy = life.moved()
    ended = life.with_destination(healthy, exit_status=1)
    failed = replace(ended, journeys=(replace(healthy.journeys[0], status="failed"),))

    assert "told to quit and ended with status 1" in told(host.judge(ended))
    assert host.judge(failed).verdict is Verdict.KEPT
