# SPDX-License-Identifier: Apache-2.0
"""A Linux of a distribution, with its own drivers, is moved like any guest and does not notice.

The promise of the KVM project's Migration page (2009): «The guest is not involved», and
«Naturally, a 64-bit guest can only be migrated to a 64-bit host, but a 32-bit guest can be
migrated at will». The guest is a distribution's kernel, unchanged, with an agent of ours as its
only process. What is checked beyond each scenario's lines: all that the oracles look at in any
guest, and the kernel's own log: any new warning, lockup, reset, lost device or clock given up.

What a failure means: a real operating system suffers from being moved, and says so itself.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.migration import carry, migrate, start_migration
from landfall.transport import EXEC, EXEC_FILE, FILE, TCP, UNIX, Live, Stored
from landfall.vm import ANSWER, VM

HOPS = 4
BEATS = 25
"""Heartbeats of a guest that goes on where it was: a second of them."""
EITHER_WIDTH = pytest.mark.parametrize("guest_name", ["linux-64", "linux-32"], indirect=True)
LINUX = pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)


@EITHER_WIDTH
@pytest.mark.parametrize("machine_type", ["q35", "pc"], indirect=True)
def test_linux_continues_on_the_destination(source: VM, destination: VM) -> None:
    """A Linux of either width continues on the destination, and its kernel says nothing of it."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@LINUX
@pytest.mark.parametrize("transport", [EXEC, pytest.param(UNIX, marks=pytest.mark.full)], ids=str)
def test_any_way_will_do(source: VM, destination: VM, transport: Live) -> None:
    """A Linux continues whichever way its stream took."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@LINUX
@pytest.mark.parametrize(
    "transport", [FILE, pytest.param(EXEC_FILE, marks=pytest.mark.full)], ids=str
)
def test_stopped_linux_continues_from_a_file(
    source: VM, destination: VM, transport: Stored
) -> None:
    """A Linux that was stopped and written to a file stays stopped, and continues when told."""
    source.stop()
    outcome = migrate(source, to=destination, via=transport)
    assert outcome.status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@LINUX
@pytest.mark.parametrize("starts_warm", [True], ids=["warm"], indirect=True)
def test_linux_starts_from_a_state_that_was_kept(source: VM, destination: VM) -> None:
    """A Linux that was made ready earlier and kept goes on from there, and can be moved."""
    assert source.owns_the_guest

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@LINUX
def test_linux_goes_there_and_back(source: VM) -> None:
    """A Linux goes there and back, again and again."""
    here = carry(source, via=TCP, times=HOPS)

    assert here.owns_the_guest


@LINUX
@pytest.mark.fault
def test_linux_goes_on_after_a_cancelled_migration(source: VM, destination: VM) -> None:
    """A Linux whose migration was cancelled half way goes on where it was."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(SLOW // 4)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    source.line.wait_for_beats(BEATS, ANSWER)
    assert source.owns_the_guest


@LINUX
@pytest.mark.fault
def test_linux_goes_on_when_its_destination_dies(source: VM, destination: VM) -> None:
    """A Linux whose destination dies half way goes on where it was."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(SLOW // 4)
    destination.kill()

    assert migration.outcome().status == "failed"
    source.line.wait_for_beats(BEATS, ANSWER)
    assert source.owns_the_guest
