# SPDX-License-Identifier: Apache-2.0
"""A guest that sleeps arrives asleep, and wakes where it is.

QEMU's promise since 9.0 (commit «migration: preserve suspended runstate»): «A guest that is
migrated in the suspended state automaticaly wakes and continues execution. This is wrong; the
guest should end migration in the same state it started.» One that was stopped in its sleep is
stopped, and asleep again when it is let go («cpus: vm_was_suspended»). The guest sleeps and
wakes like any other: it writes PM1a_CNT, and comes back through the firmware's reset and the
waking vector (ACPI S3), with the memory it had; then it testifies.

A failure means that a machine that its user put to sleep runs without being woken, or does not
wake any more, or wakes with another memory.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW, Migration
from landfall.migration import MiB, migrate, start_migration
from landfall.power import LASTING_SLEEP, SLEEP, leave, rests, wake
from landfall.switchover import wait_for_switchover
from landfall.transport import EXEC, EXEC_FILE, FD, FILE, TCP, UNIX, Live, Transport
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
    pytest.param(FILE, id="file", marks=pytest.mark.smoke),
    pytest.param(EXEC_FILE, id="exec-file"),
]


def start_slowly(source: VM, destination: VM, via: Live = TCP) -> Migration:
    """Start to move a guest and return when a MiB of it has been sent."""
    migration = start_migration(source, to=destination, via=via, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    return migration


@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_migration_wakes_nobody(source: VM, destination: VM, transport: Live) -> None:
    """A guest that sleeps does not run on the destination before it is woken."""
    leave(source, SLEEP)

    assert migrate(source, to=destination, via=transport).status == "completed"

    assert rests(destination, SLEEP)
    wake(destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_guest_that_sleeps_arrives_asleep(
    source: VM, destination: VM, transport: Transport
) -> None:
    """A guest that sleeps arrives asleep, and wakes on the destination."""
    leave(source, LASTING_SLEEP)

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert rests(destination, SLEEP)

    wake(destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("guest_name", ["pulse-32", "pulse-64"], indirect=True)
@pytest.mark.parametrize("machine_type", ["q35", "pc"], indirect=True)
def test_guest_of_either_width_sleeps_through_it(source: VM, destination: VM) -> None:
    """32-bit and 64-bit guests wake where they arrived, on every machine type with ACPI."""
    leave(source, LASTING_SLEEP)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    wake(destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
def test_every_vcpu_wakes(source: VM, destination: VM) -> None:
    """Each virtual CPU of a guest that slept continues on the destination."""
    leave(source, LASTING_SLEEP)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    wake(destination)
    assert destination.owns_the_guest


def test_guest_that_has_woken_continues(source: VM, destination: VM) -> None:
    """A guest that slept and was woken on the source continues on the destination."""
    leave(source, SLEEP)
    wake(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


def test_guest_that_goes_to_sleep_in_flight_arrives_asleep(source: VM, destination: VM) -> None:
    """A guest that goes to sleep while memory is sent arrives asleep."""
    migration = start_slowly(source, destination)

    leave(source, LASTING_SLEEP)
    migration.release()

    assert migration.outcome().status == "completed"
    assert rests(destination, SLEEP)
    wake(destination)
    assert destination.owns_the_guest


def test_guest_that_is_woken_in_flight_arrives_running(source: VM, destination: VM) -> None:
    """A guest that is woken while memory is sent arrives running."""
    leave(source, SLEEP)
    migration = start_slowly(source, destination)

    wake(source)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, FILE], ids=str)
def test_guest_stopped_in_its_sleep_arrives_so(
    source: VM, destination: VM, transport: Transport
) -> None:
    """A guest that was stopped in its sleep arrives stopped, and asleep when it is let go."""
    leave(source, LASTING_SLEEP)
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert rests(destination, SLEEP)
    wake(destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
def test_sleeper_waits_where_it_is_told_to(source: VM, destination: VM) -> None:
    """A guest that sleeps is stopped on a destination with -S, and asleep when it is let go."""
    leave(source, LASTING_SLEEP)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert rests(destination, SLEEP)
    wake(destination)
    assert destination.owns_the_guest


def test_guest_sleeps_through_two_migrations(source: VM, destination: VM) -> None:
    """A guest sleeps there and back again, and wakes with the memory it had."""
    leave(source, LASTING_SLEEP)
    assert migrate(source, to=destination, via=TCP).status == "completed"
    back = destination.twin("back")
    back.start()
    back.connect()

    assert migrate(destination, to=back, via=TCP).status == "completed"

    assert rests(back, SLEEP)
    wake(back)
    assert back.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_guest_sleeps_on_when_the_destination_is_killed(
    source: VM, destination: VM, transport: Live
) -> None:
    """A guest that sleeps goes on sleeping when the destination is killed, and can be woken."""
    leave(source, LASTING_SLEEP)
    migration = start_slowly(source, destination, transport)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert rests(source, SLEEP)
    wake(source)
    assert source.owns_the_guest


def test_guest_sleeps_on_when_cancelled_as_it_changes_sides(source: VM, destination: VM) -> None:
    """A guest that sleeps goes on sleeping when the move is cancelled as it changes sides."""
    leave(source, LASTING_SLEEP)
    migration = start_migration(source, to=destination, via=TCP, waits=True)
    wait_for_switchover(migration)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert rests(source, SLEEP)
    wake(source)
    assert source.owns_the_guest


def test_guest_sleeps_on_when_cancelled_and_can_leave(source: VM, destination: VM) -> None:
    """A guest that sleeps through a cancelled migration can be moved, and arrives asleep."""
    leave(source, LASTING_SLEEP)
    migration = start_slowly(source, destination)
    migration.cancel()
    assert migration.outcome().status in CANCELLED
    another = source.twin("another")
    another.start()
    another.connect()

    assert migrate(source, to=another, via=TCP).status == "completed"

    assert rests(another, SLEEP)
    wake(another)
    assert another.owns_the_guest
