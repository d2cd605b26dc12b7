# SPDX-License-Identifier: Apache-2.0
"""A guest that two VMs run in step outlives either.

QEMU's documents: docs/COLO-FT.txt, «If a hardware failure happens … the VM replication can take
over», and qapi/migration.json, x-colo-lost-heartbeat: «Tell qemu that heartbeat is lost, request
it to do takeover procedures». One is ended while both run, the other one is told so, and the
guest's word is heard there: its memory, its clocks and its registers are those of the last
checkpoint, and go on from there. A failure means that the machine that was to save a guest from
the loss of its host has another guest, or none.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landfall.colo import COLO, protect
from landfall.feature import named
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

pytestmark = pytest.mark.parametrize("features", [(COLO,)], ids=named, indirect=True)


@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_outlives_its_primary(source: VM, destination: VM, transport: Live) -> None:
    """A secondary whose primary is killed goes on with the guest of the last checkpoint."""
    pair = protect(source, by=destination, via=transport)

    pair.lose_the_primary()

    assert destination.owns_the_guest


@pytest.mark.parametrize("how", [VM.kill, VM.quit], ids=["killed", "quit"])
def test_guest_outlives_its_secondary(
    source: VM, destination: VM, how: Callable[[VM], object]
) -> None:
    """A primary whose secondary is gone goes on alone, and nothing of its guest was changed."""
    pair = protect(source, by=destination, via=TCP)

    pair.lose_the_secondary(how)

    assert source.owns_the_guest


def test_guest_is_the_same_after_many_checkpoints(source: VM, destination: VM) -> None:
    """What was brought over a little at a time is whole."""
    pair = protect(source, by=destination, via=TCP)

    pair.await_checkpoints(5)
    pair.lose_the_primary()

    assert destination.owns_the_guest


def test_guest_that_is_alone_can_be_protected_again(source: VM, destination: VM) -> None:
    """A primary that has lost its secondary takes another one, and is lost itself."""
    protect(source, by=destination, via=TCP).lose_the_secondary()
    another = source.ready_twin("another")

    protect(source, by=another, via=TCP).lose_the_primary()

    assert another.owns_the_guest
