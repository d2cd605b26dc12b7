# SPDX-License-Identifier: Apache-2.0
"""USB devices that are spoiled on their way are noticed, on real QEMU and a real kernel."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall import guest
from landfall.errors import PromiseBroken
from landfall.gesture import InputLeft
from landfall.guest import Guest
from landfall.host import LocalHost
from landfall.injecting import Hand
from landfall.migration import migrate
from landfall.record import BLOCK
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.usb import TABLET, UHCI, XHCI, Port
from landfall.usb_storage import UsbStorage, filled
from landfall.vm import VM

pytestmark = pytest.mark.qemu

ADJUST = shlex.join([sys.executable, "-m", "landfall.mutants.adjust"])
ROOT = Path(__file__).parents[1]
SECTION = "0000:00:02.0/1/usb-ptr"
HEAD, UNREAD = "hid --byte 256 --size 4", "hid --byte 260 --size 4"
"""Of the device's queue of 16 reports, 16 bytes each: where it begins, and how many are in it."""
SOME = 8
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


@pytest.fixture(scope="session")
def linux(host: LocalHost) -> Guest:
    """The guest linux, 64 bits."""
    return guest.load("linux-64", ROOT / "guests", host)


@pytest.fixture
def tablets(start: Start, linux: Guest) -> tuple[VM, VM, Hand]:
    """A pair with a tablet; its guest was stopped and has not read all where the hand pointed."""
    source, destination = start(
        guest=linux, memory=linux.memory, type="pc", devices=(UHCI, TABLET)
    )
    hand = Hand(source)
    hand.move(SOME)
    hand.be_quick()
    return source, destination, hand


def arrive(source: VM, destination: VM, hand: Hand, *changes: str) -> None:
    """Move the guest through some changes, let it go on, and have the hand follow."""
    filters = " | ".join(f"{ADJUST} {SECTION} {change}" for change in changes)
    source.stage.through = shlex.join(["sh", "-c", filters])
    assert migrate(source, to=destination, via=TCP).status == "completed"
    destination.cont()
    hand.follow(destination)


def last_slot(source: VM) -> int:
    """Return the place in the device's queue of the last gesture that it took."""
    port = source.plugged["tablet"]
    assert isinstance(port, Port)
    left: InputLeft = port.left()
    return (len(left.sent) - 1) % 16


def test_place_that_changes_on_the_way_is_seen(
    tablets: tuple[VM, VM, Hand], broken: Broken
) -> None:
    """A report that holds another place when it arrives is one that nobody made."""
    source, destination, hand = tablets
    x = f"hid --byte {16 * last_slot(source)} --size 4 =4660"

    with pytest.raises(PromiseBroken, match=r"input: waited .* to see what it was sent"):
        arrive(source, destination, hand, x)

    said = broken()["input"]
    assert "the guest on the destination was told «x 4660" in said
    assert "which the source took, never came to the guest" in said


def test_queue_that_is_lost_is_seen(tablets: tuple[VM, VM, Hand], broken: Broken) -> None:
    """A queue that arrives empty has lost what the guest had not read."""
    source, destination, hand = tablets

    with pytest.raises(PromiseBroken, match=r"input: waited .* to see what it was sent"):
        arrive(source, destination, hand, f"{UNREAD} =0")

    assert "which the source took, never came to the guest" in broken()["input"]


def test_queue_that_is_read_again_is_seen(tablets: tuple[VM, VM, Hand], broken: Broken) -> None:
    """Reports that the guest had read before it was moved come to it once more."""
    source, destination, hand = tablets

    arrive(source, destination, hand, f"{HEAD} -2", f"{UNREAD} +2")

    assert "came to the guest on the destination once more" in broken()["input"]


def test_device_at_another_address_is_seen(tablets: tuple[VM, VM, Hand], broken: Broken) -> None:
    """A tablet that does not answer at its address any more is reset, and the kernel says so."""
    source, destination, hand = tablets

    with pytest.raises(PromiseBroken, match=r"input: waited .* to see what it was sent"):
        arrive(source, destination, hand, "dev --size 1 =0")

    said = broken()
    assert "a USB device was reset" in said["kernel"]
    assert "which the source took, never came to the guest" in said["input"]


def test_disk_with_other_content_is_seen(
    start: Start, linux: Guest, stage: Stage, tmp_path: Path, broken: Broken
) -> None:
    """A destination whose USB disk is another gives the guest what does not belong there."""
    right = filled(tmp_path / "right.raw")
    wrong = tmp_path / "wrong.raw"
    wrong.write_bytes(right.read_bytes()[BLOCK:] + bytes(BLOCK))
    disk = UsbStorage("stick", right)
    source, _ = start(guest=linux, memory=linux.memory, devices=(XHCI, disk))
    other = source.ready_twin("other", devices=(XHCI, replace(disk, file=wrong)))

    migrate(source, to=other, via=TCP)

    assert len(stage.vms) > 1
    assert "reads from the USB disk gave another block's content" in broken()["reads"]
