# SPDX-License-Identifier: Apache-2.0
"""A guest whose memory travels over several connections at once continues.

QEMU's documents promise for multifd what they do for any migration: «multifd: Use more than one fd
for migration» (qapi/migration.json). A failure means that pages are lost, or come in another order
than they were written in, when they have a choice of ways.
"""

from __future__ import annotations

import pytest

from landfall.feature import named
from landfall.migration import migrate
from landfall.multifd import multifd
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


@pytest.mark.parametrize("features", WAYS, ids=named, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_continues(source: VM, destination: VM, transport: Live) -> None:
    """A guest continues on the destination whose memory came over several connections."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert outcome.by_channels > 0
    assert destination.owns_the_guest
