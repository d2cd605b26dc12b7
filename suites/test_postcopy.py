# SPDX-License-Identifier: Apache-2.0
"""A guest goes on at the destination before its memory has come, and misses none of it.

QEMU's document (docs/devel/migration/postcopy.rst): «'Postcopy' migration is a way to deal with
migrations that refuse to converge»: the guest's pages are sent when it asks for them. When the
connection breaks, both sides wait until they have another one («Postcopy recovery»). A failure
means that the guest reads what is not its memory, or is lost by a network that faltered: neither
side has the whole of it.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW as HELD
from landfall.attempt import Migration
from landfall.feature import named
from landfall.migration import MiB, start_migration
from landfall.postcopy import (
    BLOCKTIME,
    CHANNELS,
    POSTCOPY,
    PREEMPT,
    break_off,
    lives_there,
    recover,
    recover_in_vain,
    recover_to_nobody,
    release,
    switch,
    time_blocked,
)
from landfall.power import LASTING_SLEEP, SLEEP, leave, rests, wake
from landfall.tls import TLS, TLS_PSK
from landfall.transport import FD, TCP, UNIX, Live
from landfall.vm import VM

WAYS = [(POSTCOPY,), (PREEMPT,), (POSTCOPY, TLS), (PREEMPT, TLS_PSK), (CHANNELS,)]
by_ways = pytest.mark.parametrize("features", WAYS, ids=named, indirect=True)


def start(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest; return when some of it has been sent."""
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD)
    migration.wait_until_sent(MiB)
    return migration


@by_ways
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_continues_before_its_memory_has_come(
    source: VM, destination: VM, transport: Live
) -> None:
    """A guest lives on the destination while its memory comes, and has all of it afterwards."""
    migration = start(source, destination, transport)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(POSTCOPY,)], ids=named, indirect=True)
def test_guest_continues_over_a_descriptor(source: VM, destination: VM) -> None:
    """The same over a socket that was handed to both sides."""
    migration = start(source, destination, FD)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named, indirect=True)
@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
def test_every_vcpu_gets_its_memory(source: VM, destination: VM) -> None:
    """Each virtual CPU goes on, whatever page it waits for."""
    migration = start(source, destination, TCP)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@by_ways
def test_guest_survives_a_connection_that_breaks(source: VM, destination: VM) -> None:
    """A guest whose connection broke on the way has all its memory when it was recovered."""
    migration = start(source, destination, TCP)
    switch(migration)
    assert lives_there(migration)

    break_off(migration)
    recover(migration, TCP)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named, indirect=True)
def test_recovery_that_failed_is_tried_again(source: VM, destination: VM) -> None:
    """A recovery that fails, twice, leaves both sides waiting for one that does not."""
    migration = start(source, destination, TCP)
    switch(migration)
    assert lives_there(migration)

    break_off(migration)
    recover_in_vain(migration)
    recover_in_vain(migration)
    recover(migration, UNIX)
    break_off(migration)
    recover(migration, TCP)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(POSTCOPY,)], ids=named, indirect=True)
def test_recovery_in_which_nobody_speaks_is_broken_off(source: VM, destination: VM) -> None:
    """Two sides that both wait for a word in a recovery can be paused, and recovered again."""
    migration = start(source, destination, TCP)
    switch(migration)
    assert lives_there(migration)

    break_off(migration)
    recover_to_nobody(migration)
    recover(migration, UNIX)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(BLOCKTIME,)], ids=named, indirect=True)
def test_time_that_the_guest_waited_is_told(source: VM, destination: VM) -> None:
    """The destination tells how long its virtual CPUs waited for memory."""
    migration = start(source, destination, TCP)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert time_blocked(destination) >= 0


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named, indirect=True)
def test_guest_that_sleeps_arrives_asleep(source: VM, destination: VM) -> None:
    """A guest that sleeps, and whose memory comes later, sleeps on, and wakes there."""
    leave(source, LASTING_SLEEP)
    migration = start(source, destination, TCP)

    switch(migration)
    release(migration)
    assert migration.outcome().status == "completed"
    assert rests(destination, SLEEP)

    wake(destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(POSTCOPY,)], ids=named, indirect=True)
def test_guest_that_stands_still_arrives_so(source: VM, destination: VM) -> None:
    """A stopped guest whose memory comes later stands still on the destination."""
    source.stop()
    migration = start(source, destination, TCP)

    switch(migration)
    release(migration)
    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest
