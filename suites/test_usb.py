# SPDX-License-Identifier: Apache-2.0
"""A USB tablet, mouse or keyboard goes on as if its guest had not been moved.

The KVM project's Migration page (2009) has it among its problems: «usbdevice tablet complains
after migration». It does not any more: neither QEMU nor the guest's kernel says a word of the
move. Seen with QEMU 5.2, 7.2, 10.0 and 11.1 on UHCI, xHCI, companions of EHCI, a machine's own
`usb=on` and the very `-usbdevice tablet` of 2009, and with 5.2 and 10.0 on EHCI itself, NEC's
xHCI and a hub as well.

A hand is on the devices before, during and after: it makes a gesture when the guest has told
that it saw the one before. What QEMU took must arrive once, in order, at the right place; what
comes while the VM does not run QEMU refuses, and it is counted in the evidence. The kernel of
the guest must neither complain, nor reset a device, nor lose it, nor find it anew.

What a failure means: whoever is at the guest's screen is led astray after a migration, or the
guest loses what is plugged into it.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.device import Device
from landfall.injecting import Hand, pointers
from landfall.migration import MiB, migrate, start_migration
from landfall.stage import Stage
from landfall.transport import EXEC_FILE, FILE, TCP, UNIX, Live, Transport
from landfall.usb import (
    EHCI,
    FAR_TABLET,
    HUB,
    KEYBOARD,
    MOUSE,
    NEC_XHCI,
    OLD_TABLET,
    SLOW_TABLET,
    TABLET,
    UHCI,
    USB_ON,
    XHCI,
)
from landfall.vm import VM

SOME = 8
"""Gestures that show that a device works: each of several has its turn."""
Plugged = tuple[Device, ...]
full = pytest.mark.full
LINUX = pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)
EITHER_WIDTH = pytest.mark.parametrize(
    "guest_name", ["linux-64", pytest.param("linux-32", marks=full)], indirect=True
)
TABLETS: dict[str, Plugged] = {
    "uhci": (UHCI, TABLET),
    "ehci": (EHCI, TABLET),
    "companion": (EHCI, SLOW_TABLET),
    "xhci": (XHCI, TABLET),
    "nec-xhci": (NEC_XHCI, TABLET),
    "usb=on": (USB_ON, TABLET),
    "usbdevice": (OLD_TABLET,),
    "hub": (UHCI, HUB, FAR_TABLET),
}
SHOWN = {("pc", "uhci"), ("pc", "usbdevice"), ("q35", "companion"), ("q35", "usb=on")}
SHOWN |= {("q35", "xhci")}
"""What is met in every profile."""
WITH_A_TABLET = [
    pytest.param(machine, devices, id=f"{machine}-{name}", marks=[] if shown else [full])
    for name, devices in TABLETS.items()
    for machine in ("pc", "q35")
    for shown in [(machine, name) in SHOWN]
]
OTHERS = [
    pytest.param((UHCI, MOUSE), id="mouse-uhci"),
    pytest.param((XHCI, MOUSE), id="mouse-xhci", marks=full),
    pytest.param((EHCI, MOUSE), id="mouse-ehci", marks=full),
    pytest.param((UHCI, KEYBOARD), id="keyboard-uhci", marks=full),
    pytest.param((EHCI, KEYBOARD), id="keyboard-ehci", marks=full),
    pytest.param((XHCI, KEYBOARD), id="keyboard-xhci"),
]
AT_ONCE = [
    pytest.param((controller, TABLET, MOUSE, KEYBOARD), id=str(controller), marks=marks)
    for controller, marks in ((UHCI, []), (EHCI, [full]), (XHCI, [full]))
]
UNREAD = [
    pytest.param((UHCI, TABLET), id="tablet-uhci"),
    pytest.param((EHCI, TABLET), id="tablet-ehci", marks=full),
    pytest.param((XHCI, TABLET), id="tablet-xhci", marks=full),
    pytest.param((UHCI, MOUSE), id="mouse-uhci", marks=full),
    pytest.param((UHCI, KEYBOARD), id="keyboard-uhci", marks=full),
    pytest.param((XHCI, KEYBOARD), id="keyboard-xhci", marks=full),
]
with_a_tablet = pytest.mark.parametrize("devices", [(UHCI, TABLET)], ids=["uhci"], indirect=True)


def move_under(hand: Hand, source: VM, destination: VM, via: Live = TCP) -> str:
    """Move a guest under a hand, and return how that ended; the hand goes on where it is."""
    hand.move(SOME)
    migration = start_migration(source, to=destination, via=via, bandwidth=SLOW)
    hand.move(SOME)
    migration.release()
    hand.accompany(migration)
    hand.move(SOME)
    return migration.outcome().status


@EITHER_WIDTH
@pytest.mark.parametrize(("machine_type", "devices"), WITH_A_TABLET, indirect=True)
def test_tablet_goes_on(source: VM, destination: VM) -> None:
    """A tablet on any controller, or a hub, points where the hand points, on either side."""
    assert move_under(Hand(source), source, destination) == "completed"

    assert destination.owns_the_guest


@LINUX
@pytest.mark.parametrize("devices", OTHERS, indirect=True)
def test_mouse_or_keyboard_goes_on(source: VM, destination: VM) -> None:
    """A mouse moves as far as the hand does, and a keyboard writes what is typed."""
    assert move_under(Hand(source), source, destination) == "completed"

    assert destination.owns_the_guest


@LINUX
@pytest.mark.parametrize("devices", AT_ONCE, indirect=True)
def test_tablet_mouse_and_keyboard_go_on_together(source: VM, destination: VM) -> None:
    """A tablet, a mouse and a keyboard on one controller go on together."""
    assert move_under(Hand(source), source, destination) == "completed"

    assert destination.owns_the_guest


@LINUX
@with_a_tablet
def test_tablet_goes_there_and_back(source: VM, destination: VM) -> None:
    """A tablet goes on to the next host, and the next."""
    hand = Hand(source)

    assert move_under(hand, source, destination) == "completed"
    assert move_under(hand, destination, source.ready_twin("hop"), UNIX) == "completed"


@LINUX
@pytest.mark.parametrize("devices", UNREAD, indirect=True)
@pytest.mark.parametrize(
    "transport",
    [TCP, pytest.param(FILE, marks=full), pytest.param(EXEC_FILE, marks=full)],
    ids=str,
)
def test_what_the_guest_has_not_seen_goes_with_it(
    source: VM, destination: VM, transport: Transport
) -> None:
    """What was typed or pointed, and not read when the guest stopped, is read where it goes on."""
    hand = Hand(source)
    hand.move(SOME)
    unread = hand.be_quick()

    assert migrate(source, to=destination, via=transport).status == "completed"
    destination.cont()
    hand.follow(destination)
    hand.move(SOME)

    assert unread


@LINUX
@with_a_tablet
@pytest.mark.fault
def test_tablet_stays_when_a_migration_is_cancelled(source: VM, destination: VM) -> None:
    """A tablet goes on where it was when a migration was cancelled half way."""
    hand = Hand(source)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    hand.move(SOME)
    migration.wait_until_sent(MiB)
    migration.cancel()
    hand.accompany(migration)
    hand.move(SOME)

    assert migration.outcome().status in CANCELLED


@LINUX
@pytest.mark.parametrize("machine_type", ["pc", pytest.param("q35", marks=full)], indirect=True)
@with_a_tablet
def test_pointer_in_use(stage: Stage, source: VM, destination: VM) -> None:
    """Which pointer is given the buttons, nobody promises to take along; QEMU does not."""
    hand = Hand(source)
    hand.move(SOME)
    source.stop()

    assert migrate(source, to=destination, via=TCP).status == "completed"
    before, after = pointers(source)[0], pointers(destination)[0]
    destination.cont()
    hand.follow(destination)
    hand.move(SOME)

    stage.note(
        f"buttons went to the {before} on the source, and go to the {after} on the destination "
        "until the guest has read its USB pointer there"
    )
