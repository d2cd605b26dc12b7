# SPDX-License-Identifier: Apache-2.0
"""Planted faults are convicted by what a real operating system notices of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.device import Hardware
from landfall.guest import Guest
from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import ANSWER, VM

pytestmark = pytest.mark.qemu

MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
TABLET = Hardware("tablet", ("-device", "qemu-xhci", "-device", "usb-tablet,id=tablet"))
Broken = Callable[[], dict[str, str]]
Start = Callable[..., tuple[VM, VM]]


@pytest.fixture
def pair(start: Start, linux: Guest) -> Start:
    """Start a pair with a Linux guest that has a tablet."""

    def started(through: str = "") -> tuple[VM, VM]:
        return start(through=through, guest=linux, memory=linux.memory, devices=(TABLET,))

    return started


def test_sound_migration_breaks_nothing(pair: Start, broken: Broken) -> None:
    """A Linux guest that was moved as it should be has nothing to complain of."""
    source, destination = pair()

    migrate(source, to=destination, via=TCP)

    assert destination.owns_the_guest
    assert broken() == {}


def test_device_that_is_gone_is_told_by_the_kernel(pair: Start, broken: Broken) -> None:
    """A tablet that is pulled out after the move: the kernel says so, and is believed."""
    source, destination = pair()
    migrate(source, to=destination, via=TCP)

    destination.qmp.execute("device_del", {"id": "tablet"})
    destination.line.await_word(
        lambda: [h for h in destination.line.heard if "disconnect" in str(h.statement.texts)],
        ANSWER,
        "to notice that its tablet is gone",
    )

    assert "a USB device was lost" in broken()["kernel"]


def test_changed_byte_is_found(pair: Start, broken: Broken) -> None:
    """A byte of the agent's memory that was changed on the way is found."""
    source, destination = pair(f"{MUTATE} flip-byte")

    migrate(source, to=destination, via=TCP)

    assert "memory" in broken()


def test_clock_that_leapt_is_found(pair: Start, broken: Broken) -> None:
    """A TSC that is an hour ahead after the move is found.

    One that is set back is no fault to plant here: the first reading of it alone is low, and
    whether that one is the kernel's or the agent's is chance.
    """
    source, destination = pair(f"{MUTATE} shift-tsc")

    migrate(source, to=destination, via=TCP)

    assert "the TSC jumped by" in broken()["time"]
