# SPDX-License-Identifier: Apache-2.0
"""A migration can be called back whenever, and more than once.

qapi/migration.json, `migrate_cancel`: «Cancel the current executing migration process»; «this
command succeeds even if there is no migration process running». Calling one back in each phase
is a column of test_failure.py's table; here it comes when there is nothing to call back, or
nothing any more. The promise is the Migration page's (2009): the guest continues to run where
it is. A failure means that an impatient operator loses what he has.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.capabilities import FEATURES
from landfall.migration import MiB, migrate, start_migration, try_migration
from landfall.refusal import refusal_to_go
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

NOBODY = "tcp:127.0.0.1:1"
MULTIFD = (FEATURES["multifd-4"],)
BEATS = 8
"""Words of the guest that show that it has written a lot since."""
SOON = 10.0
by_transport = pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


@by_transport
def test_nothing_is_called_back(source: VM, destination: VM, transport: Live) -> None:
    """To call back what has not begun harms neither side, and the guest can be moved."""
    source.qmp.execute("migrate_cancel")
    destination.qmp.execute("migrate_cancel")

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(), MULTIFD], ids=["plain", "multifd-4"], indirect=True)
@by_transport
def test_migration_is_called_back_twice(source: VM, destination: VM, transport: Live) -> None:
    """Called back twice, and once more when it has ended, it is called back; the guest runs on."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    migration.cancel()
    migration.cancel()
    assert migration.outcome().status in CANCELLED
    migration.cancel()
    assert source.owns_the_guest

    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=transport).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.parametrize("features", [(), MULTIFD], ids=["plain", "multifd-4"], indirect=True)
@by_transport
def test_what_arrived_is_not_called_back(source: VM, destination: VM, transport: Live) -> None:
    """To call back a guest that has arrived changes nothing: it is where it is."""
    assert migrate(source, to=destination, via=transport).status == "completed"
    source.qmp.execute("migrate_cancel")
    destination.qmp.execute("migrate_cancel")

    assert source.qmp.execute("query-migrate")["status"] == "completed"
    assert destination.owns_the_guest


def test_what_failed_is_not_called_back(source: VM, destination: VM) -> None:
    """To call back what has failed changes nothing: it has failed, and the guest can be moved."""
    assert try_migration(source, NOBODY).outcome().status == "failed"
    source.qmp.execute("migrate_cancel")
    assert source.qmp.execute("query-migrate")["status"] == "failed"
    assert source.owns_the_guest

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@by_transport
def test_second_migration_is_refused_while_one_is_under_way(
    source: VM, destination: VM, transport: Live
) -> None:
    """A source that is sending its guest is not told to send it elsewhere; the first goes on."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    assert "in progress" in refusal_to_go(source, NOBODY)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@by_transport
def test_guest_called_back_at_rest_can_be_moved_again(
    source: VM, destination: VM, transport: Live
) -> None:
    """A guest that was stopped in flight, called back and moved again arrives whole."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    source.stop()
    migration.cancel()
    assert migration.outcome().status in CANCELLED

    fresh = source.ready_twin()
    again = start_migration(source, to=fresh, via=transport, bandwidth=SLOW)
    again.wait_until_sent(MiB)
    source.cont()
    source.line.wait_for_beats(BEATS, SOON)
    again.release()

    assert again.outcome().status == "completed"
    assert fresh.owns_the_guest
