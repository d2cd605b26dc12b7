# SPDX-License-Identifier: Apache-2.0
"""Planted faults of a kernel's clocks and timers, and of its load, are convicted on real QEMU."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall import guest
from landfall.clock_source import ACPI_PM, HPET, TSC, ClockSource
from landfall.guest import Guest
from landfall.host import LocalHost
from landfall.load import Load
from landfall.loading import put_under, works_on
from landfall.migration import migrate
from landfall.pace import count_clocks
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu

ROOT = Path(__file__).parents[1]
ADJUST = shlex.join([sys.executable, "-m", "landfall.mutants.adjust"])
SPOIL = shlex.join([sys.executable, "-m", "landfall.mutants", "load-page"])
SECOND = 13
"""Statements about clocks: one a second and more, in which the watchdog looks twice."""
LOOKS = 4
"""Moves after which a watchdog that saw nothing is blind."""
Start = Callable[..., tuple[VM, VM]]
Pair = Callable[[ClockSource, str], tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


@pytest.fixture(scope="session")
def linux(host: LocalHost) -> Guest:
    """The guest linux, 64 bits."""
    return guest.load("linux-64", ROOT / "guests", host)


@pytest.fixture
def pair(start: Start, linux: Guest) -> Pair:
    """Start a pair whose guest counts by a clock source, and change a number on the way."""

    def started(counting: ClockSource, change: str) -> tuple[VM, VM]:
        return start(
            through=f"{ADJUST} {change}",
            guest=linux,
            memory=linux.memory,
            cpu=counting.cpu,
            append=f"{counting.words} -- clocks",
            devices=(counting,),
        )

    return started


def move_on_until_barked(here: VM) -> None:
    """Move a guest on, its TSC each time further off, until its watchdog was in time to look.

    It leaves a look out for which it was itself held up (kernel/time/clocksource.c,
    WATCHDOG_INTERVAL_MAX_NS), and takes what it sees next for right.
    """
    for _ in range(LOOKS):
        count_clocks(here, SECOND)
        if any("as unstable" in h.statement.texts.get("text", "") for h in here.line.heard):
            return
        there = here.ready_twin("hop")
        migrate(here, to=there, via=TCP)
        here.quit()
        here = there


@pytest.mark.parametrize("counting", [HPET, ACPI_PM], ids=str)
def test_clock_that_is_off_is_seen(pair: Pair, broken: Broken, counting: ClockSource) -> None:
    """A kernel's clock that is 50 ms ahead is told by the clock source, and by how much."""
    source, destination = pair(counting, "timer cpu_clock_offset +50000000")

    migrate(source, to=destination, via=TCP)

    words = f"CLOCK_MONOTONIC, which counts by {counting}, came apart from the TSC by 0.0500 s"
    assert words in broken()["time"]


def test_clock_that_jumps_with_its_tsc_is_seen(pair: Pair, broken: Broken) -> None:
    """A TSC that is far ahead takes the kernel's clock with it: both are measured by the wall."""
    source, destination = pair(TSC, "timer cpu_ticks_offset +5000000000")

    migrate(source, to=destination, via=TCP)

    said = broken()["time"]
    assert "the TSC jumped by" in said
    assert "CLOCK_MONOTONIC, which counts by tsc, jumped by" in said


def test_watchdog_is_heard(pair: Pair, broken: Broken) -> None:
    """A TSC that comes apart from the HPET makes the kernel's watchdog bark, and it is told."""
    source, destination = pair(TSC, "timer cpu_ticks_offset +400000000")

    migrate(source, to=destination, via=TCP)
    move_on_until_barked(destination)

    said = broken()["kernel"]
    assert "the clock watchdog barked" in said
    assert "as unstable because the skew is too large" in said


def test_timers_that_fire_late_are_seen(pair: Pair, broken: Broken) -> None:
    """A local APIC timer that fires seconds late makes the kernel's timers late.

    Any other interrupt has the kernel set it anew, so both vCPUs' are made late, and twice.
    """
    late = "apic timer_expiry +4000000000"
    source, destination = pair(HPET, f"{late} | {ADJUST} {late} --instance 1")
    further = source.twin("further")

    migrate(source, to=destination, via=TCP)
    count_clocks(destination, SECOND)
    further.start()
    further.connect()
    migrate(destination, to=further, via=TCP)
    count_clocks(further, SECOND)

    said = broken()["time"]
    assert "a timer of vCPU " in said
    assert " s late by CLOCK_MONOTONIC; before the first migration 0." in said


def test_result_of_load_that_is_spoilt_is_seen(start: Start, linux: Guest, broken: Broken) -> None:
    """A byte changed in what a load has written is what the load finds, and tells."""
    load = Load(memory=1)
    source, destination = start(through=SPOIL, guest=linux, memory=linux.memory)
    put_under(source, load)

    migrate(source, to=destination, via=TCP)
    works_on(destination, load)

    said = broken()["load"]
    assert "on the destination thread 0 of the memory load found 0x" in said
    assert " must come out" in said
