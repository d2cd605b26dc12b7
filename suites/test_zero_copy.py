# SPDX-License-Identifier: Apache-2.0
"""A guest continues whose memory the kernel sends from where it is.

qapi/migration.json (QEMU 7.1 and later), zero-copy-send: «enables a zero-copy mechanism for
sending memory pages, if host supports it. Requires that QEMU be permitted to use locked memory for
guest RAM pages». The guest writes on while its pages are being sent. A failure means that the
kernel sent something else than what QEMU had it send, or that pages are taken for sent which were
not.
"""

from __future__ import annotations

import pytest

from landfall.feature import named
from landfall.migration import MiB, start_migration
from landfall.transport import TCP, UNIX
from landfall.vm import VM
from landfall.zero_copy import fell_back, goes_through, refused_over, zero_copy

CAP = 16 * MiB
"""Bytes/s which a guest that writes exceeds."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
BUSY = 12288
"""Pages a second that it writes."""
PASSES = 3

pytestmark = pytest.mark.parametrize("memory", [16], indirect=True)


@pytest.mark.parametrize(
    "features", [(zero_copy(channels),) for channels in (1, 4)], ids=named, indirect=True
)
def test_guest_continues(source: VM, destination: VM) -> None:
    """A guest continues whose pages were sent from where they are, in several passes."""
    source.set_guest(rate=BUSY)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=CAP, downtime=NEVER)
    assert goes_through(migration, PASSES)
    migration.release()

    assert migration.outcome().status == "completed"
    assert fell_back(migration) >= 0
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(zero_copy(4),)], ids=named, indirect=True)
def test_guest_stays_where_it_cannot_be(source: VM, destination: VM) -> None:
    """Over a socket that cannot do it the attempt fails in words, and the guest stays."""
    migration = start_migration(source, to=destination, via=UNIX)

    assert refused_over(migration)
    assert source.owns_the_guest
