# SPDX-License-Identifier: Apache-2.0
"""A guest is not stopped before the destination has said that it may be.

qapi/migration.json (QEMU 8.1 and later), switchover-ack: «migration will not stop the source VM
and complete the migration until an ACK is received from the destination that it's OK to do so».
The destination's answers pass a wire of ours, which keeps them while the source finds again and
again that nothing is left to send. A failure means that a guest is stopped for a destination that
is not ready, or that an answer is lost and the guest never leaves.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, Migration
from landfall.capabilities import FEATURES
from landfall.feature import named
from landfall.holding import (
    ask_for_postcopy,
    held_back,
    let_answers_come,
    stays_on_the_source,
    was,
)
from landfall.migration import MiB, migrate
from landfall.postcopy import ACTIVE, POSTCOPY
from landfall.transport import FD, TCP, UNIX, Live
from landfall.vm import VM

ACK = FEATURES["switchover-ack"]
BUSY = 12288
"""Pages a second that the guest writes: with little left to send it would not go on before."""
HELD, NEVER = 16 * MiB, 0.001
"""Bytes/s which such a guest exceeds, and a down time (s) that it never comes to."""
SOME = 2
"""Passes in which a source that may would have let the guest go on at the destination."""
with_ack = pytest.mark.parametrize("features", [(ACK,)], ids=named, indirect=True)


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: a pass is to be short."""
    return max(8, least_memory)


def start(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest; return when it could long have been stopped, and was not."""
    migration = held_back(source, destination, via)
    assert stays_on_the_source(migration)
    return migration


@with_ack
@pytest.mark.parametrize("transport", [TCP, UNIX, FD], ids=str)
def test_guest_waits_for_the_answer(source: VM, destination: VM, transport: Live) -> None:
    """A guest runs on the source until the answer comes, and on the destination after."""
    migration = start(source, destination, transport)

    let_answers_come(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@with_ack
def test_guest_stays_when_the_answer_is_given_up(source: VM, destination: VM) -> None:
    """A guest whose move is cancelled before the answer has come stays, and moves after."""
    migration = start(source, destination, TCP)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.owns_the_guest
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=UNIX).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.parametrize("features", [(ACK, POSTCOPY)], ids=named, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_lives_there_after_the_answer(source: VM, destination: VM, transport: Live) -> None:
    """A guest that goes on before its memory has come is not stopped before the answer either."""
    source.set_guest(rate=BUSY)
    migration = held_back(source, destination, transport, bandwidth=HELD, downtime=NEVER)

    ask_for_postcopy(migration)
    assert stays_on_the_source(migration, times=SOME)
    let_answers_come(migration)

    assert migration.outcome().status == "completed"
    assert was(migration, ACTIVE)
    assert destination.owns_the_guest
