# SPDX-License-Identifier: Apache-2.0
"""A stopped guest stays stopped.

The promise of the KVM project's Migration page (2009): «Paused VMs: migration works for paused
guests», and they arrive paused. While neither side runs, both RAMs are compared byte for byte.
What «stop» and «cont» do at every moment of a migration is QEMU's monitor/qmp-cmds.c (10.0):
they hold on the source while memory is sent, they are orders to a destination that waits for
its stream, and «cont» is refused while the guest changes sides.

A failure means that a guest which somebody stopped (for a consistent snapshot, to be looked
at) runs without being told to, or cannot be got to run again.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW, Migration
from landfall.migration import MiB, migrate, start_migration
from landfall.qmp import CommandRefused
from landfall.switchover import let_switch_over, wait_for_switchover
from landfall.transport import EXEC, EXEC_FILE, FD, FILE, TCP, UNIX, Live, Transport
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(TCP, id="tcp", marks=pytest.mark.smoke),
    pytest.param(EXEC_FILE, id="exec-file", marks=pytest.mark.smoke),
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
    pytest.param(EXEC, id="exec"),
    pytest.param(FILE, id="file"),
]
REFUSAL = "not finalized"
"""QEMU's own words, since 1.0: «Migration is not finalized yet»."""


def start_slowly(source: VM, destination: VM, via: Live = TCP) -> Migration:
    """Start to move a guest and return when a MiB of it has been sent."""
    migration = start_migration(source, to=destination, via=via, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    return migration


@pytest.mark.parametrize(
    "transport",
    [pytest.param(TCP, id="tcp", marks=[pytest.mark.smoke, pytest.mark.lab]), *TRANSPORTS[1:]],
)
def test_stopped_guest_arrives_stopped(source: VM, destination: VM, transport: Transport) -> None:
    """A stopped guest arrives stopped, and continues when it is told to."""
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_destination_told_to_wait_waits(source: VM, destination: VM, transport: Transport) -> None:
    """A running guest waits on a destination that was started with -S, its memory as it was."""
    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_guest_stopped_in_flight_arrives_stopped(
    source: VM, destination: VM, transport: Live
) -> None:
    """A guest that is stopped while memory is sent arrives stopped."""
    migration = start_slowly(source, destination, transport)

    source.stop()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_guest_told_to_go_on_in_flight_arrives_running(
    source: VM, destination: VM, transport: Live
) -> None:
    """A stopped guest that is told to go on while memory is sent arrives running."""
    source.stop()
    migration = start_slowly(source, destination, transport)

    source.cont()
    source.line.wait_for_beats(2, within=10)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


def test_guest_stopped_and_let_go_in_flight_arrives_running(source: VM, destination: VM) -> None:
    """A guest that is stopped and let go again while memory is sent arrives running."""
    migration = start_slowly(source, destination)

    source.stop()
    source.cont()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


def test_stopped_guest_stopped_again_in_flight_arrives_stopped(
    source: VM, destination: VM
) -> None:
    """A stopped guest that is let go and stopped again in flight arrives stopped."""
    source.stop()
    migration = start_slowly(source, destination)

    source.cont()
    source.line.wait_for_beats(2, within=10)
    source.stop()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


def test_waiting_destination_can_be_told_to_stop(source: VM, destination: VM) -> None:
    """A running guest waits on a destination that was told «stop» before it arrived."""
    migration = start_slowly(source, destination)

    destination.stop()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
def test_waiting_destination_can_be_told_to_go_on(source: VM, destination: VM) -> None:
    """A running guest runs on a destination with -S that was told «cont» before it arrived."""
    migration = start_slowly(source, destination)

    destination.cont()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


def test_stopped_guest_does_not_run_because_its_destination_would(
    source: VM, destination: VM
) -> None:
    """A stopped guest arrives stopped, though its destination was told «cont» before it came."""
    source.stop()
    migration = start_slowly(source, destination)

    destination.cont()
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


def test_guest_that_changes_sides_cannot_be_let_go(source: VM, destination: VM) -> None:
    """While a guest changes sides the source refuses «cont», and the guest runs on arrival."""
    migration = start_migration(source, to=destination, via=TCP, waits=True)
    wait_for_switchover(migration)

    with pytest.raises(CommandRefused, match=REFUSAL):
        source.cont()
    let_switch_over(source)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


def test_stopped_guest_that_changes_sides_cannot_be_let_go(source: VM, destination: VM) -> None:
    """While a stopped guest changes sides «cont» is refused, and it arrives stopped."""
    source.stop()
    migration = start_migration(source, to=destination, via=TCP, waits=True)
    wait_for_switchover(migration)

    with pytest.raises(CommandRefused, match=REFUSAL):
        source.cont()
    let_switch_over(source)

    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still
    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_stopped_guest_stays_stopped_when_the_destination_is_killed(
    source: VM, destination: VM, transport: Live
) -> None:
    """A stopped guest stays stopped on the source when the destination is killed."""
    source.stop()
    migration = start_slowly(source, destination, transport)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert source.holds_the_guest_still
    source.cont()
    assert source.owns_the_guest


def test_stopped_guest_stays_stopped_when_cancelled_as_it_changes_sides(
    source: VM, destination: VM
) -> None:
    """A stopped guest stays stopped when the migration is cancelled as it changes sides."""
    source.stop()
    migration = start_migration(source, to=destination, via=TCP, waits=True)
    wait_for_switchover(migration)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.holds_the_guest_still
    source.cont()
    assert source.owns_the_guest


def test_guest_stopped_in_flight_stays_stopped_when_cancelled(source: VM, destination: VM) -> None:
    """A guest that is stopped while memory is sent stays stopped when that is cancelled."""
    migration = start_slowly(source, destination)

    source.stop()
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.holds_the_guest_still
    source.cont()
    assert source.owns_the_guest


def test_stopped_guest_can_leave_after_a_cancelled_attempt(source: VM, destination: VM) -> None:
    """A stopped guest whose migration was cancelled can be moved again, and arrives stopped."""
    source.stop()
    migration = start_slowly(source, destination)
    migration.cancel()
    assert migration.outcome().status in CANCELLED
    another = source.twin("another")
    another.start()
    another.connect()

    assert migrate(source, to=another, via=TCP).status == "completed"

    assert another.holds_the_guest_still
    another.cont()
    assert another.owns_the_guest
