# SPDX-License-Identifier: Apache-2.0
"""The time oracle's rules about timers and pauses, each on a made-up history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from landfall.clocks import CLOCKS, Bound, Transition, bound
from landfall.history import History, Side
from landfall.line import Heard
from landfall.oracles import time
from landfall.oracles.ruler import COUNTERS, Counter
from landfall.verdict import Verdict
from tests import life

EVERY = 0.04
"""Seconds between two statements about timers."""
BLUR = 2000
"""TSC ticks between the two readings around a counter: 2 µs of a TSC of 1 GHz."""


def shown(counter: Counter, seconds: float) -> int:
    """Return what a counter shows when so much time has passed for it."""
    steps = round(seconds * counter.hertz)
    return (-steps if counter.down else steps) % counter.modulus


def told(seq: int, at: float, tsc: float, virtual: float | None = None, **changes: int) -> Heard:
    """Return what a healthy guest tells of its timers; times in seconds."""
    virtual = tsc if virtual is None else virtual
    values = {"pits": round(virtual * 50), "hpets": round(virtual * 50), "rtcs": round(at * 64)}
    for counter in COUNTERS:
        middle = round(tsc * life.HZ)
        values |= {
            counter.key: shown(counter, virtual),
            f"{counter.key}0": middle - BLUR // 2,
            f"{counter.key}1": middle + BLUR // 2,
        }
    pairs = " ".join(f"{key}={value:x}" for key, value in (values | changes).items())
    return Heard(life.statement(f"@{seq:x} timers ticks=1 {pairs}"), at)


def with_timers(
    *,
    ahead: float = 0.0,
    virtual_ahead: float = 0.0,
    accel: str = "tcg",
    after: int = 8,
    changes: Mapping[str, int] | None = None,
) -> History:
    """Return a history with timers; on the destination clocks may be ahead of what they were."""
    healthy = life.moved()
    before = [told(0, 0.2 + n * EVERY, 0.2 + n * EVERY) for n in range(20)]
    later = [
        told(0, 1.12 + n * EVERY, 1.0 + ahead + n * EVERY, 1.0 + virtual_ahead + n * EVERY)
        for n in range(after)
    ]
    if changes:
        fixed = {key: value for key, value in changes.items() if value >= 0}
        gone = {key for key, value in changes.items() if value < 0}
        later = [_changed(heard, fixed, gone) for heard in later]
    return replace(
        with_heard(with_heard(healthy, 0, before), 1, later),
        accel=accel,
    )


def _changed(heard: Heard, fixed: dict[str, int], gone: set[str]) -> Heard:
    numbers = {k: v for k, v in {**heard.statement.numbers, **fixed}.items() if k not in gone}
    return Heard(replace(heard.statement, numbers=numbers), heard.at)


def with_heard(history: History, index: int, more: list[Heard]) -> History:
    """Return a history in which a side's guest said more, in order and renumbered by nobody."""
    side = history.sides[index]
    heard = tuple(sorted((*side.heard, *more), key=lambda one: one.at))
    sides = [*history.sides]
    sides[index] = replace(side, heard=heard)
    return replace(history, sides=tuple(sides))


def said(history: History) -> str:
    """Return everything that the oracle says against a history."""
    return " | ".join(o.text for o in time.judge(history).observations)


def test_healthy_timers_are_kept() -> None:
    """Timers that go on are kept, and every counter was compared over the move."""
    finding = time.judge(with_timers())

    assert finding.verdict is Verdict.KEPT, said(with_timers())
    assert finding.earned["timers_seen_to_fire"] == 3
    assert finding.earned["counters_compared_over_a_move"] == len(COUNTERS)


@pytest.mark.parametrize("seconds", [0.005, -0.005, 0.02, 0.05, 1.0, -1.0, 3600.0])
def test_virtual_clock_that_is_off_is_told_as_one(seconds: float) -> None:
    """A shift of the clock that all timers count is one observation that names them all."""
    observations = time.judge(with_timers(virtual_ahead=seconds)).observations

    texts = [o.text for o in observations if "came apart" in o.text]
    assert len(texts) == 1
    assert "the HPET's counter, the PM timer, the PIT's counter, the local APIC" in texts[0]
    assert f"by {abs(seconds):.4f} s" in texts[0]


def test_tsc_that_is_off_by_milliseconds_is_told() -> None:
    """A TSC that is 20 ms ahead is seen against every timer; the wall could not tell."""
    text = said(with_timers(ahead=0.02))

    assert "the TSC came apart from the HPET's counter" in text
    assert "the TSC moved on by 0.0" in text
    assert "jumped" not in text


@pytest.mark.parametrize("counter", COUNTERS, ids=lambda counter: counter.key)
def test_counter_that_is_off_alone_is_told_by_its_name(counter: Counter) -> None:
    """A single counter that stands still is named, and no other."""
    text = said(with_timers(changes={counter.key: shown(counter, 0.9843)}))

    assert f"the TSC came apart from {counter.called} by" in text


def test_reading_that_was_interrupted_convicts_nobody() -> None:
    """What lies between two readings of the TSC that are far apart may be anywhere between."""
    healthy = with_timers()
    *before, last = healthy.sides[0].heard
    torn = told(0, 0.99, 0.98, hpet1=round(1.08 * life.HZ))
    # The middle of the readings is 50 ms late, and they are 100 ms apart.
    history = life.with_source(healthy, heard=(*before, torn, last))

    assert "came apart" not in said(history)


def test_tsc_may_count_the_wall_under_kvm_and_no_more() -> None:
    """Under KVM the TSC may count the time of the move; never more, and never less than none."""
    within, beyond = with_timers(ahead=0.1, accel="kvm"), with_timers(ahead=0.6, accel="kvm")
    back = with_timers(ahead=-0.01, accel="kvm")

    assert "came apart" not in said(within)
    assert "came apart" in said(beyond)
    assert "came apart" in said(back)


def test_reading_that_is_heard_late_is_of_where_it_was_made() -> None:
    """What the source's guest had read, and a slow serial port handed on, was before the move."""
    healthy = with_timers(ahead=0.1, accel="kvm")
    first = next(h for h in healthy.sides[1].heard if h.statement.kind == "timers")
    late = told(0, first.at - 0.001, 0.96)

    assert "came apart" not in said(with_heard(healthy, 1, [late]))
    prompt = told(0, first.at + EVERY / 2, 0.9)  # made where it was heard, and so much behind
    assert "on the destination the TSC came apart" in said(with_heard(healthy, 1, [prompt]))


def test_timer_in_the_kernel_may_start_anew() -> None:
    """Under KVM nobody says where the PIT's counter goes on, so nobody is convicted of it."""
    moved_pit = {"pit": shown(COUNTERS[2], 0.005)}

    assert "PIT" in said(with_timers(changes=moved_pit))
    assert "came apart" not in said(replace(with_timers(changes=moved_pit, after=1), accel="kvm"))


@pytest.mark.parametrize(
    ("key", "name"), [("pits", "PIT"), ("hpets", "HPET"), ("rtcs", "RTC's periodic")]
)
def test_timer_that_falls_silent_is_told_by_its_name(key: str, name: str) -> None:
    """Interrupts that stand still while some were due convict their timer."""
    assert f"on the destination 0 {name} interrupts came in" in said(
        with_timers(changes={key: 50})
    )


@pytest.mark.parametrize(
    ("slowness", "every", "convicts"), [(1.0, 8, True), (10.0, 8, False), (10.0, 0, True)]
)
def test_timer_that_fires_seldom_is_a_slow_hosts(
    slowness: float, every: int, *, convicts: bool
) -> None:
    """A host that is ten times slower may let a timer fire so seldom; one that is dead is told."""
    healthy = with_timers(after=40)
    seldom = [
        _changed(heard, {"pits": 50 + (n // every if every else 0)}, set())
        for n, heard in enumerate(
            h for h in healthy.sides[1].heard if "pits" in h.statement.numbers
        )
    ]
    rest = tuple(h for h in healthy.sides[1].heard if "pits" not in h.statement.numbers)
    heard = tuple(sorted((*rest, *seldom), key=lambda one: one.at))
    history = life.with_destination(healthy, heard=heard)
    sides = tuple(replace(side, slowness=slowness) for side in history.sides)

    assert ("PIT interrupts came in" in said(replace(history, sides=sides))) is convicts


@pytest.mark.parametrize("key", ["pits", "hpets", "rtcs"])
def test_timer_that_nobody_tells_of_any_more_is_not_kept(key: str) -> None:
    """A guest that stops telling of a timer keeps nothing."""
    assert time.judge(with_timers(changes={key: -1})).verdict is not Verdict.KEPT


def test_few_readings_are_too_few_to_keep() -> None:
    """A guest that told of its timers once afterwards has shown no timer firing."""
    finding = time.judge(with_timers(after=1))

    assert finding.verdict is Verdict.UNABLE
    assert "no timers seen to fire" in finding.reason


def test_timer_that_fires_too_often_is_told() -> None:
    """More interrupts than time has passed for convict their timer."""
    text = said(with_timers(changes={"pits": 500}))

    assert "PIT interrupts came over the guest's life" in text


def test_timers_without_a_ruler_are_judged_by_their_interrupts() -> None:
    """A machine without HPET and PM timer has no counter long enough to measure the others."""
    history = with_timers()
    rulers = {f"{key}{end}" for key in ("hpet", "pm") for end in ("", "0", "1")}
    sides = [
        replace(side, heard=tuple(_changed(heard, {}, rulers) for heard in side.heard))
        for side in history.sides
    ]

    finding = time.judge(replace(history, sides=tuple(sides)))

    assert finding.verdict is Verdict.KEPT
    assert "counters_compared_over_a_move" not in finding.earned


def stopped_before_it_left(seconds: float, *, counted: float) -> History:
    """Return a history in which the guest was stopped for some time, long before it left."""
    healthy = life.moved()
    source = healthy.sides[0]
    early = life.beats(1, 10, at=-seconds, guest_time=0.2 - counted)
    resumed = 0.2 - life.BEAT / 2
    events = (
        life.event("STOP", resumed - seconds + 0.2),
        life.event("RESUME", resumed),
        *source.events,
    )
    later = tuple(life.beat(11 + n, 0.2 + n * life.BEAT, 0.4 + n * life.BEAT) for n in range(30))
    return life.with_source(healthy, heard=(*early, *later), events=events)


def test_pause_over_which_the_tsc_stands_still_is_kept() -> None:
    """A TSC that did not move over a pause of seconds is kept."""
    assert said(stopped_before_it_left(3.0, counted=0.0)) == ""


def test_tsc_that_counts_a_pause_is_told_under_tcg_and_not_under_kvm() -> None:
    """Over a pause the table says another thing than over a move."""
    history = stopped_before_it_left(3.0, counted=2.7)

    assert "over a pause on the source the TSC jumped by 2.7" in said(history)
    assert "over a pause" not in said(replace(history, accel="kvm"))


def test_guest_that_stands_still_on_arrival_is_told() -> None:
    """A destination whose guest takes its first timer interrupt seconds late is convicted."""
    healthy = life.moved()
    late = (*life.beats(41, 10, at=3.12, guest_time=3.0), life.verified(51, 3.4))

    text = said(life.with_destination(healthy, heard=late))

    assert "was let go and then took no timer interrupt for 2.02 s" in text


def test_guest_that_stands_still_behind_what_it_had_begun_is_told() -> None:
    """The first heartbeats heard may tell of interrupts that came where the guest was before."""
    healthy = life.moved()
    begun = life.beat(41, 1.11, 1.0)
    pending = life.beat(42, 1.12, 1.02)
    late = (*life.beats(43, 10, at=4.12, guest_time=4.0), life.verified(53, 4.4))

    text = said(life.with_destination(healthy, heard=(begun, pending, *late)))

    assert "was let go and then took no timer interrupt for 3.00 s" in text


def test_guest_of_a_slow_host_may_take_longer() -> None:
    """Where the guest was silent for long elsewhere too, it may be on arrival."""
    healthy = life.moved()
    slow = tuple(life.beat(1 + n, 0.2 + n * 0.2, 0.2 + n * 0.2) for n in range(4))
    late = (*life.beats(41, 10, at=3.12, guest_time=3.0), life.verified(51, 3.4))
    history = life.with_source(life.with_destination(healthy, heard=late), heard=slow)

    assert "was let go" not in said(history)


def lay_about(seconds: float, *, shown_after: str, rtc: str) -> History:
    """Return a history in which nobody ran the guest for some time, and what its RTC said then."""
    healthy = life.moved()
    beats = tuple(
        life.beat(41 + n, 1.12 + seconds + n * 0.02, 1.0 + n * 0.02, rtc=shown_after)
        for n in range(10)
    )
    events = (life.event("RESUME", 1.1 + seconds),)
    moved: Side = replace(
        healthy.sides[1], heard=(*beats, life.verified(51, 1.4 + seconds)), events=events
    )
    return replace(healthy, sides=(healthy.sides[0], moved), rtc=rtc)


@pytest.mark.parametrize(
    ("rtc", "shown_after", "kept"),
    [
        ("host", "120009", True),
        ("host", "120001", False),
        ("vm", "120001", True),
        ("vm", "120009", False),
    ],
)
def test_real_time_clock_counts_what_it_was_told_to(
    rtc: str, shown_after: str, *, kept: bool
) -> None:
    """-rtc clock=host counts the time in a file, clock=vm does not."""
    text = said(lay_about(8.0, shown_after=shown_after, rtc=rtc))

    assert ("real-time clock has counted" not in text) is kept


def test_every_cell_of_the_table_has_a_source() -> None:
    """Each clock, accelerator and transition is written down once, and by whom it is said."""
    cells = [(c.clock, c.accel, t) for c in CLOCKS for t in c.transitions]

    assert len(cells) == len(set(cells))
    assert all(cell.source for cell in CLOCKS)
    assert {c.clock for c in COUNTERS} <= {c.clock for c in CLOCKS}


def test_clock_that_nobody_wrote_down_may_do_anything() -> None:
    """What no source says convicts nobody."""
    assert bound("sundial", "tcg", Transition.PAUSE) is Bound.ANYTHING_BETWEEN


@pytest.mark.parametrize(
    ("ahead", "slowness", "convicts"), [(0.02, 1.0, True), (0.02, 10.0, False), (0.5, 10.0, True)]
)
def test_clocks_of_an_emulated_host_may_come_apart_a_little(
    ahead: float, slowness: float, *, convicts: bool
) -> None:
    """A busy emulator's own clocks come apart a little; by more than that they are judged."""
    history = with_timers(ahead=ahead)
    slow = tuple(replace(side, slowness=slowness) for side in history.sides)

    assert ("came apart" in said(replace(history, sides=slow))) is convicts


@pytest.mark.parametrize(
    ("ahead", "shown", "kept"),
    [(0.0, "120041", False), (40.0, "120041", True), (40.0, "120001", False), (None, "1", True)],
    ids=["leaps", "as-its-host", "not-as-its-host", "host-keeps-no-time"],
)
def test_real_time_clock_is_its_hosts(ahead: float | None, shown: str, *, kept: bool) -> None:
    """A guest's real-time clock goes by its host's: where that is known to be ahead, so is it."""
    history = lay_about(0.0, shown_after=shown.rjust(6, "0"), rtc="host")
    here, there = history.sides

    text = said(replace(history, sides=(here, replace(there, ahead=ahead))))

    assert ("real-time clock" not in text) == kept
