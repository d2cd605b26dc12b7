# SPDX-License-Identifier: Apache-2.0
"""A guest that switches between the modes of its CPU arrives in the mode it was caught in.

The KVM project's Migration page (2009) warns of guests that switch a lot between real and
protected mode. The promise is the same for them as for all guests: they continue. Here pulse
waits for its timer in real mode, protected mode without paging, virtual-8086 mode, compatibility
mode and its own mode in turn, a hundred times a second, checking selectors, segment bases,
flags, registers and interrupt vectors there.
A failure means that some part of the CPU's state is carried only for the modes that operating
systems live in: the guest is lost if it is in its boot loader or its BIOS when it is moved.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.flipping import carry_and_look, mode_now, registers, stop_in, strike_in
from landfall.migration import MiB, migrate, start_migration
from landfall.mode import Mode
from landfall.transport import EXEC_FILE, FD, TCP, UNIX, Live, Transport
from landfall.vm import VM

FLIPPING = "flip=1f rate=40"
"""All modes in turn, and few pages written: what counts is where the guest waits."""
pytestmark = pytest.mark.parametrize("append", [FLIPPING], ids=["flip"], indirect=True)

REAL, *OTHERS = MODES = [Mode.REAL, Mode.PROTECTED, Mode.V86, Mode.COMPATIBLE, Mode.LONG]
MODES_OF_32_BITS = [Mode.REAL, Mode.PROTECTED, Mode.V86, Mode.PAGED]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_guest_stopped_in_a_mode_arrives_in_it(
    source: VM, destination: VM, transport: Transport, mode: Mode
) -> None:
    """A guest that is stopped in a mode arrives in it, register for register, and goes on."""
    stop_in(source, mode)

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert mode_now(destination) is mode
    assert registers(destination) == registers(source)

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("guest_name", ["pulse-32"], indirect=True)
@pytest.mark.parametrize("machine_type", ["pc", "microvm"], indirect=True)
@pytest.mark.parametrize("mode", MODES_OF_32_BITS, ids=str)
def test_guest_of_32_bits_stopped_in_a_mode_arrives_in_it(
    source: VM, destination: VM, mode: Mode
) -> None:
    """A guest without long mode arrives in the mode it was stopped in, on every machine type."""
    stop_in(source, mode)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert mode_now(destination) is mode

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "mode", [pytest.param(REAL, id="real", marks=pytest.mark.smoke), *OTHERS], ids=str
)
def test_running_guest_is_caught_in_a_mode(source: VM, mode: Mode) -> None:
    """A running guest continues on the destination when the switchover caught it in a mode."""
    here = strike_in(source, mode, via=TCP)

    assert here.owns_the_guest


@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
@pytest.mark.parametrize("transport", [UNIX, FD], ids=str)
def test_every_vcpu_goes_on_switching(source: VM, destination: VM, transport: Live) -> None:
    """Each virtual CPU goes on switching on the destination, whatever modes they were in."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    ("times", "modes"),
    [pytest.param(12, 2, id="12"), pytest.param(100, 5, id="100", marks=pytest.mark.full)],
)
def test_guest_goes_there_and_back_while_it_switches(source: VM, times: int, modes: int) -> None:
    """A guest that switches all the time is moved again and again, caught in one mode or another.

    Measured (250 stops, TCG), each mode has 16 to 25 % of the time: that twelve strikes hit
    the same one, or a hundred miss one, is less likely than 1 in 10**6.
    """
    here, caught = carry_and_look(source, via=TCP, times=times)

    assert here.owns_the_guest
    assert len(caught) >= modes


@pytest.mark.fault
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_goes_on_switching_when_the_destination_dies(
    source: VM, destination: VM, transport: Live
) -> None:
    """The guest goes on switching on the source when the destination is killed."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("mode", [Mode.REAL, Mode.V86], ids=str)
def test_guest_stopped_in_a_mode_outlives_a_cancelled_migration(
    source: VM, destination: VM, mode: Mode
) -> None:
    """A guest that was stopped in a mode goes on from there when its migration is cancelled."""
    stop_in(source, mode)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert mode_now(source) is mode
    source.cont()
    assert source.owns_the_guest
