# SPDX-License-Identifier: Apache-2.0
"""A guest whose memory travels over several connections at once continues.

QEMU's documents promise for multifd what they do for any migration: «multifd: Use more than one fd
for migration» (qapi/migration.json). A failure means that pages are lost, or come in another order
than they were written in, when they have a choice of ways.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED
from landfall.capabilities import FEATURES
from landfall.disagreeing import comes_to_nothing, migrate_again, start_disagreeing
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.multifd import LEVELS, ZERO_PAGES, ZeroPages, multifd, zeros_are_seen
from landfall.tls import TLS
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

WAYS = [
    (multifd(2),),
    (multifd(16),),
    (multifd(4, "zlib"),),
    (multifd(4, "zstd"),),
    (multifd(4), TLS),
]
FEW, MANY, NONE = (multifd(2),), (multifd(8),), ()
SIDES = [(FEW, NONE), (NONE, FEW), (MANY, FEW), ((multifd(2, "zlib"),), FEW)]
HELD = 16 * MiB
"""Bytes/s which a guest that writes exceeds."""
NEVER = 0.001
"""A down time (s) so short that such a guest never converges."""
BUSY = 12288
"""Pages a second that it writes."""
QUIET = 0
"""Pages a second: the tightest packing is slower than a guest that writes 4 MiB in each."""
OFTEN, SELDOM = 12, 1
"""Of 16 pages, how many become zero."""


@pytest.mark.parametrize("features", WAYS, ids=named, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_continues(source: VM, destination: VM, transport: Live) -> None:
    """A guest continues on the destination whose memory came over several connections."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert outcome.by_channels > 0
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [8], ids=["8-MiB"], indirect=True)
@pytest.mark.parametrize("features", [(level,) for level in LEVELS], ids=named, indirect=True)
def test_guest_continues_however_tightly_packed(source: VM, destination: VM) -> None:
    """A guest continues whose memory was packed as loosely, and as tightly, as may be."""
    source.set_guest(rate=QUIET)
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert outcome.by_channels > 0
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [16], indirect=True)
@pytest.mark.parametrize("zeros", ZERO_PAGES, ids=str)
def test_page_is_whole_that_was_zero_before(source: VM, destination: VM, zeros: ZeroPages) -> None:
    """Pages that become zero, and something again, between two passes are what they are."""
    source.stage.features = (multifd(4), zeros.feature)
    source.set_guest(rate=BUSY, zero=OFTEN)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD, downtime=NEVER)
    migration.wait_for_pass(3)
    source.set_guest(zero=SELDOM)
    migration.wait_for_pass(5)
    migration.release()

    assert migration.outcome().status == "completed"
    assert zeros_are_seen(migration) is zeros.are_seen
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [FEW], ids=named, indirect=True)
@pytest.mark.parametrize("then", [MANY, FEW, NONE, (FEATURES["xbzrle"],)], ids=named)
def test_guest_goes_by_other_connections_when_a_first_attempt_was_cancelled(
    source: VM, destination: VM, then: tuple[Feature, ...]
) -> None:
    """A guest whose move was cancelled goes to a new destination by more connections, or fewer."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD)
    migration.wait_until_sent(MiB)
    migration.cancel()
    assert migration.outcome().status in CANCELLED

    source.stage.features = then
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.parametrize(("here", "there"), SIDES, ids=lambda told: named(told) or "nothing")
def test_guest_stays_when_the_sides_were_told_different_things(
    source: VM, destination: VM, here: tuple[Feature, ...], there: tuple[Feature, ...]
) -> None:
    """A guest stays on the source when the destination expects something else, and moves after."""
    migration = start_disagreeing(source, destination, TCP, here=here, there=there)

    assert comes_to_nothing(migration) in CANCELLED
    assert source.owns_the_guest

    source.stage.features = FEW
    fresh = source.ready_twin()
    assert migrate_again(source, fresh, TCP).status == "completed"
    assert fresh.owns_the_guest
