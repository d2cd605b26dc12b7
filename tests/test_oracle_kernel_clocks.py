# SPDX-License-Identifier: Apache-2.0
"""The time oracle's rules about a kernel's clocks and timers, each on a made-up history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from landfall.clocks import CLOCKS, counted_by
from landfall.history import History
from landfall.line import Heard
from landfall.oracles import time
from landfall.verdict import Verdict
from tests import life

EVERY = 0.08
BLUR = 4000
"""TSC ticks that a breath takes: 4 µs of a TSC of 1 GHz."""
EPOCH = 1_700_000_000
ARRIVED = 1.12
"""When the guest is first heard on the destination; it left at 1.0 s of its own time."""
Clock = Callable[[float], float]
"""What a clock shows, in seconds, by the guest's own."""


def same(guest_time: float) -> float:
    """Return what a healthy clock shows."""
    return guest_time


def none(_guest_time: float) -> float:
    """Return how far a healthy clock is from where it should be."""
    return 0.0


def hardly(_guest_time: float) -> float:
    """Return how late a healthy timer is."""
    return 0.003


HEALTHY: Mapping[str, Clock] = {
    "mono": same,
    "fired": same,
    "late": hardly,
    "raw": none,
    "boot": none,
    "real": none,
}


def told(
    at: float, guest_time: float, source: str = "hpet", changes: Mapping[str, Clock] = HEALTHY
) -> Heard:
    """Return what a guest tells of its clocks, each healthy unless given."""
    clocks = {**HEALTHY, **changes}
    mono = clocks["mono"](guest_time)
    middle = round(guest_time * life.HZ)
    turn = int(guest_time / EVERY + 0.25) % 2
    values = {
        "mono0": middle - BLUR // 2,
        "mono1": middle + BLUR // 2,
        "mono": round(mono * 1e9),
        "raw": round((mono - 0.1 + clocks["raw"](guest_time)) * 1e9),
        "boot": round((mono + clocks["boot"](guest_time)) * 1e9),
        "real": round((EPOCH + mono + clocks["real"](guest_time)) * 1e9),
        "compared": round(guest_time * 50),
        "cpu": turn,
        "fired": round(clocks["fired"](guest_time) * 100),
        "late": round(clocks["late"](guest_time) * 1e9),
    }
    pairs = " ".join(f"{key}={value:x}" for key, value in values.items())
    return Heard(life.statement(f"@0 clocks {pairs} source={source}"), at)


def moved(
    *,
    after: int = 8,
    source: str = "hpet",
    accel: str = "tcg",
    rate: float = 1.0,
    **clocks: Clock,
) -> History:
    """Return a history with a kernel's clocks; on the destination those given are as told."""
    healthy = life.moved()
    before = [told(0.2 + n * EVERY, 0.2 + n * EVERY, source) for n in range(10)]
    later = [
        told(ARRIVED + n * EVERY / rate, 1.0 + n * EVERY, source, clocks) for n in range(after)
    ]
    sides = [
        replace(side, heard=tuple(sorted((*side.heard, *more), key=lambda one: one.at)))
        for side, more in zip(healthy.sides, (before, later), strict=True)
    ]
    return replace(healthy, sides=tuple(sides), accel=accel)


def said(history: History) -> str:
    """Return everything that the oracle says against a history."""
    return " | ".join(o.text for o in time.judge(history).observations)


@pytest.mark.parametrize("source", ["tsc", "hpet", "acpi_pm"])
def test_healthy_clocks_are_kept(source: str) -> None:
    """A kernel whose clocks go on keeps the promise, and they were compared over the move."""
    finding = time.judge(moved(source=source))

    assert finding.verdict is Verdict.KEPT, said(moved(source=source))
    assert finding.earned["kernel_clocks_compared_over_a_move"] == 1
    assert finding.earned["vcpus_whose_timers_fired"] == 2


@pytest.mark.parametrize("source", ["tsc", "hpet", "acpi_pm", "kvm-clock"])
def test_every_clock_source_has_a_row(source: str) -> None:
    """What a clock source may do while nobody runs the guest is in the table."""
    assert counted_by(source) in {clock.clock for clock in CLOCKS}


def ahead(guest_time: float) -> float:
    """Return what kvm-clock shows that counted on for 0.1 s while the TSC stood still."""
    return guest_time + 0.1


def test_reading_that_is_heard_late_is_of_where_it_was_made() -> None:
    """What the source's guest had read, and a slow serial port handed on, was before the move."""
    healthy = moved(source="kvm-clock", accel="kvm", mono=ahead)
    late = told(ARRIVED - 0.005, 0.96, "kvm-clock")
    heard = (*healthy.sides[1].heard, late)
    history = life.with_destination(healthy, heard=tuple(sorted(heard, key=lambda one: one.at)))

    assert said(healthy) == ""
    assert said(history) == ""


def test_clock_that_comes_apart_after_the_move_is_told() -> None:
    """What kvm-clock may count while the guest is away it may not when it is there."""
    healthy = moved(source="kvm-clock", accel="kvm", mono=ahead)
    strayed = told(ARRIVED + 8 * EVERY, 1.0 + 8 * EVERY, "kvm-clock", {"mono": lambda t: t + 0.2})
    heard = (*healthy.sides[1].heard, strayed)

    assert "on the destination CLOCK_MONOTONIC, which counts by kvm-clock" in said(
        life.with_destination(healthy, heard=heard)
    )


def test_few_words_are_too_few_to_keep() -> None:
    """A guest that told of its clocks once afterwards has shown no timer firing."""
    finding = time.judge(moved(after=1))

    assert finding.verdict is Verdict.UNABLE
    assert "vcpus whose timers fired" in finding.reason


def test_clock_that_went_back_is_told_by_how_much() -> None:
    """CLOCK_MONOTONIC that is behind what it was is told with where and by how much."""
    text = said(moved(mono=lambda t: t - 0.5))

    assert "from the source to the destination CLOCK_MONOTONIC went back by 0.4" in text


def test_clock_that_the_guest_saw_going_back_is_told() -> None:
    """What one vCPU read after another's later time is told as the guest tells it."""
    words = "@0 clock cpu=1 name=CLOCK_MONOTONIC now=3b9aca00 before=3b9bca00 by=0"
    healthy = moved()
    heard = (*healthy.sides[1].heard, Heard(life.statement(words), 1.5))

    text = said(life.with_destination(healthy, heard=heard))

    assert (
        "on the destination vCPU 1 read CLOCK_MONOTONIC 1.000000 s after vCPU 0 had read "
        "1.000066 s" in text
    )


@pytest.mark.parametrize("source", ["tsc", "hpet", "acpi_pm"])
@pytest.mark.parametrize("seconds", [0.02, -0.02, 0.1])
def test_clock_that_is_off_is_told_against_the_tsc(source: str, seconds: float) -> None:
    """Twenty milliseconds show in one breath with the TSC, though the wall could not tell."""
    text = said(moved(source=source, mono=lambda t: t + seconds))

    assert f"CLOCK_MONOTONIC, which counts by {source}, came apart from the TSC" in text
    assert f"by {abs(seconds):.4f} s: it moved on by" in text


def test_clock_that_jumps_with_its_tsc_is_told_by_the_wall() -> None:
    """A clock that counts by the TSC and jumps with it is measured by the clock on the wall."""
    healthy = moved(source="tsc")
    source, destination = healthy.sides
    ahead = [_ahead(heard, 0.7, *ALL) for heard in destination.heard]

    text = said(replace(healthy, sides=(source, replace(destination, heard=tuple(ahead)))))

    assert "CLOCK_MONOTONIC, which counts by tsc, jumped by 0.7" in text
    assert "stood still 0.100 s, and this clock stands still meanwhile" in text


ALL = ("mono", "mono0", "mono1", "raw", "boot", "real")


def test_stay_in_which_no_clock_was_told_of_is_no_standing_still() -> None:
    """A guest that ran on a third host in between stood still only on its way there and back."""
    healthy = moved(source="tsc")
    source, destination = healthy.sides
    later = [_ahead(replace(h, at=h.at + 0.5), 0.5, *ALL) for h in destination.heard]
    hop = life.event("RESUME", 1.1), life.event("STOP", 1.6)
    arrival = life.event("RESUME", 1.6)
    sides = (
        source,
        replace(destination, name="hop", heard=(), events=hop),
        replace(destination, heard=tuple(later), events=(arrival,)),
    )

    assert "CLOCK_MONOTONIC, which" not in said(replace(healthy, sides=sides))


def _ahead(heard: Heard, seconds: float, *keys: str) -> Heard:
    """Return a statement by some of whose clocks, of 1 GHz as is the TSC, it is so much later."""
    if heard.statement.kind != "clocks":
        return heard
    more = {key: heard.statement[key] + round(seconds * 1e9) for key in keys}
    numbers = {**heard.statement.numbers, **more}
    return Heard(replace(heard.statement, numbers=numbers), heard.at)


@pytest.mark.parametrize(
    ("key", "called"),
    [
        ("real", "CLOCK_REALTIME"),
        ("boot", "CLOCK_BOOTTIME"),
        ("raw", "CLOCK_MONOTONIC_RAW"),
    ],
)
def test_clock_that_comes_apart_from_the_others_is_told_by_its_name(key: str, called: str) -> None:
    """A clock that keeps its distance to CLOCK_MONOTONIC, and does not, is named alone."""
    healthy = moved()
    later = [_ahead(heard, 0.05, key) for heard in healthy.sides[1].heard]

    text = said(life.with_destination(healthy, heard=tuple(later)))

    assert f"{called} came apart from CLOCK_MONOTONIC by 0.0500 s" in text
    assert text.count("came apart") == 1


def test_kvm_clock_may_count_the_wall_and_no_more() -> None:
    """Under KVM the kernel's clock may count the time of the move, and no more than that."""
    within = moved(accel="kvm", source="kvm-clock", mono=lambda t: t + 0.1)
    beyond = moved(accel="kvm", source="kvm-clock", mono=lambda t: t + 0.6)

    assert "came apart" not in said(within)
    assert "CLOCK_MONOTONIC, which counts by kvm-clock, came apart" in said(beyond)


def test_kernel_whose_second_is_shorter_is_told() -> None:
    """A clock that counts a third more than the host's is told with both sides' rates."""
    text = said(moved(after=20, rate=1.35))

    assert "on the destination CLOCK_MONOTONIC counts 1.3500 s in a second of the host's" in text


def test_timer_that_is_late_is_told_with_what_was_usual() -> None:
    """A timer that fires seconds late convicts its vCPU."""
    text = said(moved(after=20, late=lambda t: 1.5 if t > 2.0 else 0.003))

    assert (
        "on the destination a timer of vCPU 0 fired 1.500 s late by CLOCK_MONOTONIC; before the "
        "first migration 0.003 s at most" in text
    )


def test_timers_that_fall_silent_are_told_by_their_vcpu() -> None:
    """Timers that do not fire while the clock goes on convict their vCPU."""
    text = said(moved(after=30, fired=lambda _t: 1.0))

    assert "on the destination 0 timers of vCPU 0 fired while CLOCK_MONOTONIC counted 2.24" in text


def test_timers_of_a_guest_that_had_to_wait_are_not_made_up_for() -> None:
    """A vCPU that had to wait for its host sets no timers meanwhile, and is not convicted."""
    text = said(moved(after=12, fired=lambda t: t if t > 1.8 else 1.0, late=lambda _t: 0.8))

    assert text == ""


def test_lateness_that_began_before_the_move_convicts_nobody() -> None:
    """What a timer told at once after the attempt had begun, it had suffered before."""
    healthy = moved()
    first = next(h for h in healthy.sides[0].heard if h.statement.kind == "clocks" and h.at > 0.5)
    numbers = {**first.statement.numbers, "late": 2_000_000_000}
    late = Heard(replace(first.statement, numbers=numbers), first.at)
    heard = tuple(late if h is first else h for h in healthy.sides[0].heard)

    assert "late" not in said(life.with_source(healthy, heard=heard))


def slowed_down(percent: int) -> History:
    """Return a history whose last timers on the source were late while it was slowed down."""
    healthy = moved()
    *_, last = [h for h in healthy.sides[0].heard if h.statement.kind == "clocks"]
    numbers = {**last.statement.numbers, "late": 1_400_000_000}
    late = Heard(replace(last.statement, numbers=numbers), last.at)
    heard = tuple(late if h is last else h for h in healthy.sides[0].heard)
    sample = {"status": "active", "cpu-throttle-percentage": percent}
    journey = replace(healthy.journeys[0], started=-1.0, samples=(sample,))
    return replace(life.with_source(healthy, heard=heard), journeys=(journey,))


def test_guest_that_qemu_slows_down_is_late_rightly() -> None:
    """Auto-converge keeps a guest from running on the source: its timers may be late there."""
    assert "fired 1.400 s late" in said(slowed_down(0))
    assert "late" not in said(slowed_down(50))
