# SPDX-License-Identifier: Apache-2.0
"""A source gives memory back that it has sent, and only what it will not need.

qapi/migration.json (QEMU 2.9 and later), release-ram: «QEMU will free the migrated RAM pages on
the source during postcopy-ram migration». The kernel tells what a source holds. A failure means
that memory is given back which the guest still has to go on with, or none, on a host that was to
be relieved.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, Migration
from landfall.attempt import SLOW as HELD
from landfall.capabilities import FEATURES
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.postcopy import POSTCOPY, lives_there, release, switch
from landfall.releasing import gave_back, resident
from landfall.transport import FD, TCP, UNIX, Live
from landfall.vm import VM

CAP = 32 * MiB
"""Bytes/s which a guest that writes exceeds."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
BUSY = 12288
"""Pages a second that it writes."""
RELEASE = FEATURES["release-ram"]


@pytest.fixture
def features() -> tuple[Feature, ...]:
    """Memory is given back, where the guest goes on before it has come."""
    return RELEASE, POSTCOPY


@pytest.fixture
def memory(least_memory: int) -> int:
    """Enough to be seen in what a QEMU holds."""
    return max(32, least_memory)


def start(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest; return when some of it has been sent."""
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD)
    migration.wait_until_sent(MiB)
    return migration


@pytest.mark.parametrize("transport", [TCP, UNIX, FD], ids=str)
def test_memory_is_given_back(source: VM, destination: VM, transport: Live) -> None:
    """A source holds less when the guest has gone on without its memory, which comes whole."""
    held = resident(source)
    migration = start(source, destination, transport)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert gave_back(source, held)
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(RELEASE,)], ids=named)
def test_memory_that_is_still_needed_is_kept(source: VM, destination: VM) -> None:
    """A guest whose move was cancelled has all its memory on the source, and moves after."""
    source.set_guest(rate=BUSY)
    held = resident(source)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=CAP, downtime=NEVER)
    migration.wait_for_pass(3)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert not gave_back(source, held)
    assert source.owns_the_guest
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=UNIX).status == "completed"
    assert fresh.owns_the_guest
