# SPDX-License-Identifier: Apache-2.0
"""A guest that is off, or has panicked, is so wherever it is, and never runs again.

QEMU's run states «shutdown» and «guest-panicked» travel in the section `globalstate`, and are
set as they came (migration/migration.c, process_incoming_migration_bh, 5.2 to 11.1). When an
attempt fails, a source whose guest was switched off is not started again
(migration_iteration_finish, since 7.2), and one that had stopped stays as it was. QEMU keeps
such a guest for whoever wants to look at it where it was started with -no-shutdown.

A failure means that a machine that was switched off, or whose kernel had declared itself
unsound, executes code and writes to its disks; or that a crash is not told any more.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW, Migration
from landfall.migration import MiB, migrate, start_migration
from landfall.power import ENDURES, OFF, PANIC, PVPANIC, Leaving, leave, rests
from landfall.switchover import wait_for_switchover
from landfall.transport import EXEC, FILE, TCP, Transport
from landfall.vm import VM

pytestmark = pytest.mark.parametrize("devices", [(ENDURES, PVPANIC)], ids=[""], indirect=True)

ENDS = pytest.mark.parametrize("end", [OFF, PANIC], ids=str)


def start_slowly(source: VM, destination: VM) -> Migration:
    """Start to move a guest and return when a MiB of it has been sent."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    return migration


@ENDS
@pytest.mark.parametrize("transport", [TCP, EXEC, FILE], ids=str)
def test_guest_that_has_ended_arrives_so(
    source: VM, destination: VM, transport: Transport, end: Leaving
) -> None:
    """A guest that is off, or has panicked, arrives so, with the memory it had."""
    leave(source, end)

    assert migrate(source, to=destination, via=transport).status == "completed"

    assert rests(destination, end)


@ENDS
def test_guest_that_ends_in_flight_arrives_so(source: VM, destination: VM, end: Leaving) -> None:
    """A guest that ends while memory is sent arrives so, with the memory it had."""
    migration = start_slowly(source, destination)

    leave(source, end)
    migration.release()

    assert migration.outcome().status == "completed"
    assert rests(destination, end)


@ENDS
@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
def test_ended_guest_is_not_merely_stopped(source: VM, destination: VM, end: Leaving) -> None:
    """A guest that has ended arrives so on a destination that was started with -S too."""
    leave(source, end)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert rests(destination, end)


@ENDS
def test_guest_that_ended_in_flight_is_not_run_when_cancelled(
    source: VM, destination: VM, end: Leaving
) -> None:
    """A guest that ends while memory is sent is not run when that is cancelled."""
    migration = start_slowly(source, destination)

    leave(source, end)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert rests(source, end)


@ENDS
@pytest.mark.fault
def test_guest_that_ended_in_flight_is_not_run_when_the_destination_is_killed(
    source: VM, destination: VM, end: Leaving
) -> None:
    """A guest that ends while memory is sent is not run when the destination is killed."""
    migration = start_slowly(source, destination)

    leave(source, end)
    destination.kill()

    assert migration.outcome().status == "failed"
    assert rests(source, end)


@ENDS
def test_ended_guest_stays_so_when_cancelled_as_it_changes_sides(
    source: VM, destination: VM, end: Leaving
) -> None:
    """A guest that has ended stays so when the move is cancelled as it changes sides."""
    leave(source, end)
    migration = start_migration(source, to=destination, via=TCP, waits=True)
    wait_for_switchover(migration)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert rests(source, end)
