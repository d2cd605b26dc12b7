# SPDX-License-Identifier: Apache-2.0
"""Pages of which only the changes were sent are whole where they arrive.

QEMU's document (docs/devel/migration, XBZRLE): «reduces VM downtime and the total live-migration
time»: of a page that was sent before only the changes travel, and the destination puts them into
what it has. Each scenario waits until query-migrate has counted such pages, in passes over a guest
that goes on writing, and the guest checks all of them afterwards. A failure means that changes
were put into a page that was not the one they belong to: memory is lost that no checksum guards.
"""

from __future__ import annotations

import pytest

from landfall.attempt import Migration
from landfall.feature import named
from landfall.migration import MiB, start_migration
from landfall.transport import EXEC, FD, TCP, UNIX, Live
from landfall.vm import VM
from landfall.xbzrle import AMPLE, SCANT, await_cache, cache_of, resize, xbzrle

HELD = 16 * MiB
"""Bytes/s that the guest exceeds if all of each page is sent."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
BUSY = 12288
"""Pages a second that the guest writes."""
QUIET = 0
MANY = 2000
"""Pages: most of the guest's."""
PAGE = 4096
HALF_ZERO = 8
"""Of 16 pages, those that become zero: a page that was zero has changed in every word."""
with_ample = pytest.mark.parametrize("features", [(xbzrle(AMPLE),)], ids=named, indirect=True)
with_scant = pytest.mark.parametrize("features", [(xbzrle(SCANT),)], ids=named, indirect=True)


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: it is passed over again and again."""
    return max(16, least_memory)


def start(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest that writes too fast; return when it is passed over again."""
    source.set_guest(rate=BUSY)
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD, downtime=NEVER)
    migration.wait_for_pass(2)
    return migration


@with_ample
@pytest.mark.parametrize("transport", [TCP, UNIX, FD, EXEC], ids=str)
def test_changes_are_put_together(source: VM, destination: VM, transport: Live) -> None:
    """Pages are whole of which the changes were sent, in fewer bytes than the pages have."""
    migration = start(source, destination, transport)

    counted = await_cache(migration, encoded=MANY)
    migration.release()

    assert migration.outcome().status == "completed"
    assert counted.bytes < counted.encoded * PAGE / 2
    assert destination.owns_the_guest


@with_ample
def test_changes_are_put_together_of_a_guest_that_comes_to_rest(
    source: VM, destination: VM
) -> None:
    """Pages of which the changes were sent are whole when the guest writes no more."""
    migration = start(source, destination, TCP)

    await_cache(migration, encoded=MANY)
    source.set_guest(rate=QUIET)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@with_scant
@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_page_that_was_forgotten_is_sent_whole(
    source: VM, destination: VM, transport: Live
) -> None:
    """With a cache that holds next to nothing pages are missed, counted, and sent whole."""
    migration = start(source, destination, transport)

    counted = await_cache(migration, missed=MANY)
    migration.release()

    assert migration.outcome().status == "completed"
    assert counted.size == SCANT
    assert destination.owns_the_guest


@with_scant
def test_cache_grows_in_flight(source: VM, destination: VM) -> None:
    """A cache that is made large enough in flight holds the guest from then on."""
    migration = start(source, destination, TCP)
    await_cache(migration, missed=MANY)

    resize(migration, AMPLE)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@with_ample
def test_cache_shrinks_in_flight(source: VM, destination: VM) -> None:
    """Pages are whole that were encoded by a cache that is made too small in flight, and after."""
    migration = start(source, destination, UNIX)
    await_cache(migration, encoded=MANY)

    resize(migration, SCANT)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@with_ample
def test_page_that_changed_too_much_is_sent_whole(source: VM, destination: VM) -> None:
    """Pages that become zero, and something again, are whole: of those nothing can be saved."""
    source.set_guest(zero=HALF_ZERO)
    migration = start(source, destination, TCP)

    await_cache(migration, encoded=MANY)
    migration.wait_for(lambda: cache_of(migration).overflowed > 0, "a page to be sent whole")
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@with_ample
def test_guest_goes_back_and_forth_by_changes(source: VM, destination: VM) -> None:
    """A guest that was sent by its changes, and whose move was cancelled, is sent so anew."""
    migration = start(source, destination, UNIX)
    await_cache(migration, encoded=MANY)
    migration.cancel()
    migration.outcome()
    assert source.owns_the_guest

    fresh = source.ready_twin()
    again = start(source, fresh, TCP)
    await_cache(again, encoded=MANY)
    again.release()

    assert again.outcome().status == "completed"
    assert fresh.owns_the_guest
