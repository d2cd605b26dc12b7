# SPDX-License-Identifier: Apache-2.0
"""The small devices of a guest go on where they were: balloon, random numbers, a serial port.

QEMU's docs/devel/migration/main.rst: the state of every device is part of what is sent, and a
virtio device's is its rings' as well. The guest's own drivers use them before the move, while it
is under way and after it. What each side's QEMU is connected to is its own: our end of a serial
port is another one on the destination, so the guest's lines are numbered, and so are ours.

A failure means that a guest which was moved does not give memory back any more, or that its host
takes more than it gave; that its random numbers have dried up; that the agent of its management
hears a command twice, or never; that a watchdog resets a healthy machine, or lets a dead one be.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.balloon import ask_for, balloon_of, inflate
from landfall.device import Device
from landfall.migration import MiB, carry, migrate, start_migration
from landfall.random_numbers import draw, draws_another
from landfall.serial_port import PORT, leave_a_line, talk
from landfall.transport import EXEC_FILE, TCP, UNIX
from landfall.virtio import BALLOON, RNG, SLOW_RNG, VSOCK, WATCHDOG
from landfall.vm import VM
from landfall.watchdog import barks, feed, is_silent, starve

ALL = 128 * MiB
LESS = 112 * MiB
LINES = 10
MORE_THAN_IT_GIVES = 10
"""Numbers that the guest asks for in less time than its host takes to give them."""


@pytest.fixture
def guest_name(request: pytest.FixtureRequest) -> str:
    """A guest with drivers; 64 bits unless narrowed."""
    return getattr(request, "param", "linux-64")


def has(device: Device) -> pytest.MarkDecorator:
    """Plug a device into the machine."""
    return pytest.mark.parametrize(
        "devices", [pytest.param((device,), id=device.name)], indirect=True
    )


@has(BALLOON)
def test_balloon_keeps_its_size(source: VM, destination: VM) -> None:
    """Memory that the guest gave back stays given, and is the guest's again when it may be."""
    inflate(source, LESS)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert balloon_of(destination) == LESS
    inflate(destination, ALL)


@has(BALLOON)
def test_balloon_is_inflated_while_the_guest_is_moved(source: VM, destination: VM) -> None:
    """A guest that gives memory back in the midst of its move arrives with what it has left."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    inflate(source, LESS)
    migration.release()

    assert migration.outcome().status == "completed"
    assert balloon_of(destination) == LESS
    inflate(destination, ALL)


@pytest.mark.full
@has(BALLOON)
def test_balloon_on_its_way_gets_there(source: VM, destination: VM) -> None:
    """A size that the guest was asked for, and has not reached, is reached where it arrives."""
    source.stop()
    ask_for(source, LESS)
    assert migrate(source, to=destination, via=UNIX).status == "completed"

    destination.cont()
    inflate(destination, LESS)


@has(RNG)
def test_random_numbers_flow(source: VM, destination: VM) -> None:
    """The guest draws random numbers before its move and after it, and never the same."""
    drawn = draw(source).come_to(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert draws_another(destination, drawn)


@pytest.mark.full
@has(SLOW_RNG)
def test_random_numbers_that_were_asked_for_come(source: VM, destination: VM) -> None:
    """A request that was under way when the guest left is answered where it arrives."""
    drawn = draw(source).come_to(source)
    for _ in range(MORE_THAN_IT_GIVES):
        asked = draw(source)
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert asked.come_to(destination) != drawn


@pytest.mark.parametrize(
    "guest_name", ["linux-64", pytest.param("linux-32", marks=pytest.mark.full)], indirect=True
)
@has(PORT)
def test_serial_port_loses_nothing(source: VM, destination: VM) -> None:
    """Lines go both ways before, during and after the move: all of them, once, in order."""
    talk(source, LINES)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    talk(source, LINES)
    leave_a_line(source)
    migration.release()

    assert migration.outcome().status == "completed"
    talk(destination, LINES)


@pytest.mark.full
@has(PORT)
def test_serial_port_waits_in_a_file(source: VM, destination: VM) -> None:
    """A guest that is saved goes on in the midst of its conversation."""
    talk(source, LINES)
    assert migrate(source, to=destination, via=EXEC_FILE).status == "completed"

    talk(destination, LINES)


@pytest.mark.full
@has(PORT)
def test_serial_port_goes_there_and_back(source: VM) -> None:
    """A port that goes there and back again is the same port."""
    talk(source, LINES)
    here = carry(source, via=TCP, times=4)

    talk(here, LINES)


@pytest.mark.full
@has(WATCHDOG)
def test_watchdog_that_is_fed_is_silent(source: VM, destination: VM) -> None:
    """A watchdog that the guest feeds does not bark because the guest was moved."""
    feed(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert is_silent(destination)


@has(WATCHDOG)
def test_watchdog_that_starves_barks(source: VM, destination: VM) -> None:
    """A watchdog that was armed before the move barks after it, when it is not fed."""
    starve(source)
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"

    destination.cont()
    assert barks(destination)


@has(VSOCK)
def test_guest_with_a_host_socket_is_moved(source: VM, destination: VM) -> None:
    """A guest that its host reaches by vsock goes on under another context id."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
