# SPDX-License-Identifier: Apache-2.0
"""Planted faults of clocks are convicted on real QEMU, and told by the clock's name."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.device import RealTimeClock
from landfall.migration import migrate
from landfall.transport import EXEC_FILE, TCP, Transport
from landfall.vm import VM

pytestmark = pytest.mark.qemu

ADJUST = shlex.join([sys.executable, "-m", "landfall.mutants.adjust"])
ALL = "timers=f"
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
SLIPPED = {
    "clock+50ms": (
        "timer cpu_clock_offset +50000000",
        "the TSC came apart from the HPET's counter, the PM timer, the PIT's counter, "
        "the local APIC timer's counter by 0.0500 s",
    ),
    "clock+1s": (
        "timer cpu_clock_offset +1000000000",
        "the TSC came apart from the HPET's counter, the PM timer, the PIT's counter, "
        "the local APIC timer's counter by 1.0000 s",
    ),
    "clock-5ms": (
        "timer cpu_clock_offset -5000000",
        "the TSC came apart from the HPET's counter, the PM timer, the PIT's counter, "
        "the local APIC timer's counter by 0.0050 s",
    ),
    "pit-phase": (
        "i8254 channels --byte 16 --size 8 +5000000",
        "the TSC came apart from the PIT's counter by 0.0050 s",
    ),
    "apic-phase": (
        "apic initial_count_load_time +3000000",
        "the TSC came apart from the local APIC timer's counter by 0.0030 s",
    ),
}
SILENCED = {
    "pit": ("i8254 channels[0].next_transition_time =-1", "0 PIT interrupts came in"),
    "hpet": ("hpet timer --byte 1 --size 8 =0", "0 HPET interrupts came in"),
    "rtc": ("mc146818rtc cmos_data --byte 11 --size 1 =2", "0 RTC's periodic interrupts came in"),
}


@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_healthy_clocks_break_nothing(start: Start, broken: Broken, transport: Transport) -> None:
    """A guest that drives every timer keeps every promise, and the oracle has looked."""
    source, destination = start(append=ALL)

    migrate(source, to=destination, via=transport)

    assert destination.owns_the_guest
    assert broken() == {}


@pytest.mark.parametrize(("change", "words"), [*SLIPPED.values()], ids=[*SLIPPED])
def test_clocks_that_come_apart_are_seen(
    start: Start, broken: Broken, change: str, words: str
) -> None:
    """A clock that is a few milliseconds off is told by its name, and by how much."""
    source, destination = start(through=f"{ADJUST} {change}", append=ALL)

    migrate(source, to=destination, via=TCP)

    assert words in broken()["time"]


def test_tsc_that_is_milliseconds_off_is_seen(start: Start, broken: Broken) -> None:
    """A TSC that is 20 ms ahead shows against every timer, far below what the wall can tell."""
    ticks = 20_000_000  # 20 ms of a TSC of 1 GHz, and still 4 ms of one of 5 GHz
    through = f"{ADJUST} timer cpu_ticks_offset +{ticks}"
    source, destination = start(through=through, append=ALL)

    migrate(source, to=destination, via=TCP)

    assert "the TSC came apart from the HPET's counter, the PM timer" in broken()["time"]


@pytest.mark.parametrize(("change", "words"), [*SILENCED.values()], ids=[*SILENCED])
def test_timer_that_falls_silent_is_seen(
    start: Start, broken: Broken, change: str, words: str
) -> None:
    """A timer whose interrupts do not come any more is told by its name."""
    source, destination = start(through=f"{ADJUST} {change}", append=ALL)

    migrate(source, to=destination, via=TCP)

    assert words in broken()["time"]


def test_timer_that_runs_fast_is_seen(start: Start, broken: Broken) -> None:
    """A PIT that counts from a tenth of what it was told to shows another count, and too often."""
    change = "i8254 channels --size 4 =2386"
    source, destination = start(through=f"{ADJUST} {change}", append=ALL)

    migrate(source, to=destination, via=TCP)
    destination.line.wait_for_beats(25, within=10)

    said = broken()["time"]
    assert "the TSC came apart from the PIT's counter" in said
    assert "PIT interrupts came over the guest's life" in said


def test_guest_that_stands_still_on_arrival_is_seen(start: Start, broken: Broken) -> None:
    """A boot vCPU whose timer stands still for seconds is told with how many."""
    change = "apic timer_expiry +4000000000"
    source, destination = start(through=f"{ADJUST} {change}")

    migrate(source, to=destination, via=TCP)

    assert "was let go and then took no timer interrupt for " in broken()["time"]


@pytest.mark.parametrize("clock", ["host", "vm"])
def test_wall_clock_that_is_off_is_seen(start: Start, broken: Broken, clock: str) -> None:
    """A real-time clock that is a minute ahead is told, whichever clock it counts."""
    change = "mc146818rtc base_rtc +60"
    clocks = (RealTimeClock("rtc", clock),)
    source, destination = start(through=f"{ADJUST} {change}", append=ALL, devices=clocks)

    migrate(source, to=destination, via=TCP)
    destination.line.wait_for_beats(15, within=10)

    assert "the real-time clock has counted 6" in broken()["time"]
