# SPDX-License-Identifier: Apache-2.0
"""Faults planted in the state of a CPU that is not in the mode operating systems live in."""

from __future__ import annotations

import pytest

from landfall.flipping import registers, stop_in
from landfall.migration import migrate
from landfall.mode import Mode
from landfall.transport import TCP
from landfall.vm import ANSWER
from tests.test_planted_faults import MUTATE, Broken, Start

pytestmark = pytest.mark.qemu

FLIPPING = "flip=1f"
HEARTBEATS = 25
"""Time for a guest to make its first system calls."""


@pytest.mark.parametrize("mode", [Mode.REAL, Mode.PROTECTED, Mode.V86, Mode.COMPATIBLE], ids=str)
def test_segment_with_another_base_is_seen(start: Start, broken: Broken, mode: Mode) -> None:
    """A segment whose base was changed in flight convicts in each mode that has bases."""
    source, destination = start(through=f"{MUTATE} segment-base", append=FLIPPING)
    stop_in(source, mode, looks_again=True)
    migrate(source, to=destination, via=TCP)
    here, there = registers(source), registers(destination)
    destination.cont()

    said = broken()

    assert [name for name in here if here[name] != there.get(name)] == ["ES"]
    assert f"on the destination vCPU 0, in {mode.words}, read" in said["modes"]
    assert "through segment ES, which has a base of its own" in said["modes"]


def test_virtual_8086_mode_that_is_lost_is_seen(start: Start, broken: Broken) -> None:
    """A CPU that was in virtual-8086 mode and is not on the destination convicts."""
    source, destination = start(through=f"{MUTATE} leave-v86", append=FLIPPING)
    stop_in(source, Mode.V86)
    migrate(source, to=destination, via=TCP)

    destination.cont()

    assert "vCPU 0, in virtual-8086 mode, took exception 13" in broken()["modes"]


def test_real_mode_that_is_lost_is_seen(start: Start, broken: Broken) -> None:
    """A CPU that was in real mode and is not on the destination convicts."""
    source, destination = start(through=f"{MUTATE} leave-real", append=FLIPPING)
    stop_in(source, Mode.REAL)
    migrate(source, to=destination, via=TCP)

    destination.cont()

    # Halted, it has no table that protected mode could use: it is reset, and begins anew.
    assert broken().keys() & {"modes", "memory"}


def test_system_call_of_another_maker_is_seen(start: Start, broken: Broken) -> None:
    """A CPU that arrives as Intel's has not the system call that a guest of AMD's makes."""
    source, _ = start(append="flip=8", cpu="qemu64,vendor=AuthenticAMD")
    source.line.wait_for_beats(HEARTBEATS, ANSWER)
    there = source.ready_twin("elsewhere", cpu="qemu64,vendor=GenuineIntel")

    migrate(source, to=there, via=TCP)

    assert "on the elsewhere vCPU 0 took exception 6" in broken()["cpu"]


def test_guest_that_switches_and_is_moved_unharmed_has_nothing_to_say(
    start: Start, broken: Broken
) -> None:
    """A guest that switches all the time breaks no promise when nothing was planted."""
    source, destination = start(through="cat", append=FLIPPING, vcpus=4)

    migrate(source, to=destination, via=TCP)

    assert broken() == {}
