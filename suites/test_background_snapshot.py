# SPDX-License-Identifier: Apache-2.0
"""A snapshot that is saved while its guest runs is the guest as it was when that began.

QEMU's document: qapi/migration.json, capability background-snapshot: «the migration stream will
be a snapshot of the VM exactly at the point when the migration procedure starts. The VM RAM is
saved with running VM». The guest writes memory all the while; a fresh VM that loads the file goes
on from the moment the snapshot began, with all of its memory as it was then, and the guest on the
source goes on as well. A failure means that a backup of a running guest is of no moment at all,
or that making one costs the guest.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landfall.attempt import CANCELLED
from landfall.background_snapshot import (
    SLOWLY,
    BackgroundSnapshot,
    await_writing,
    refusal_with,
    take,
)
from landfall.migration import migrate
from landfall.transport import EXEC_FILE, FILE, TCP, Stored
from landfall.vm import VM

BUSY = 4096
"""Pages a second that the guest writes."""
BEATS = 20
"""Heartbeats during which it does."""
each_way = pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
EXCLUDED = (
    "postcopy-ram", "dirty-bitmaps", "postcopy-blocktime", "late-block-activate", "return-path",
    "multifd", "pause-before-switchover", "auto-converge", "release-ram", "rdma-pin-all", "xbzrle",
    "x-colo", "validate-uuid", "zero-copy-send",
)  # fmt: skip
"""What does not go with it (check_caps_background_snapshot, migration/options.c, 10.0)."""


@pytest.fixture
def memory(least_memory: int) -> int:
    """So little that it is saved in a second or two a little at a time."""
    return max(16, least_memory)


def taken_slowly(source: VM) -> BackgroundSnapshot:
    """Take a snapshot of a guest that writes a lot meanwhile; return while it is under way."""
    source.set_guest(rate=BUSY)
    source.stop()
    snapshot = take(source, via=SLOWLY)
    source.cont()
    await_writing(snapshot, BEATS)
    return snapshot


@each_way
def test_snapshot_of_a_running_guest_is_taken(source: VM, transport: Stored) -> None:
    """A running guest is saved to a file, and goes on there and here."""
    snapshot = take(source, via=transport)

    assert snapshot.outcome().status == "completed"
    assert source.owns_the_guest
    assert snapshot.wake().owns_the_guest


def test_snapshot_is_of_one_moment(source: VM) -> None:
    """What a guest writes while it is saved is not in its snapshot, and not lost to it either."""
    snapshot = taken_slowly(source)

    assert snapshot.outcome().status == "completed"
    assert source.owns_the_guest
    copy = snapshot.wake()
    assert copy.holds_the_guest_still
    copy.cont()
    assert copy.owns_the_guest


@each_way
def test_snapshot_of_a_stopped_guest_lets_it_stand(source: VM, transport: Stored) -> None:
    """A guest that stands still does so afterwards, and stands still where it is loaded."""
    source.stop()
    snapshot = take(source, via=transport)

    assert snapshot.outcome().status == "completed"
    assert source.holds_the_guest_still
    copy = snapshot.wake()
    assert copy.holds_the_guest_still

    copy.cont()
    source.cont()
    assert copy.owns_the_guest
    assert source.owns_the_guest


def test_second_snapshot_is_of_the_second_moment(source: VM) -> None:
    """A guest of which a snapshot was taken is saved again as it is then."""
    assert taken_slowly(source).outcome().status == "completed"
    snapshot = take(source, via=EXEC_FILE)

    assert snapshot.outcome().status == "completed"
    assert snapshot.wake().owns_the_guest
    assert source.owns_the_guest


def test_guest_can_be_moved_afterwards(source: VM, destination: VM) -> None:
    """Nothing of a snapshot is left that keeps its guest from being moved, or costs it a page."""
    assert taken_slowly(source).outcome().status == "completed"

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "breaks",
    [
        lambda snapshot: snapshot.cancel(),
        lambda snapshot: snapshot.attempt.source.kill_its_programs(),
    ],
    ids=["cancelled", "taker-killed"],
)
def test_snapshot_that_is_broken_off_costs_nothing(
    source: VM, breaks: Callable[[BackgroundSnapshot], object]
) -> None:
    """A guest whose snapshot is broken off writes on, and the next one is whole."""
    broken_off = taken_slowly(source)
    breaks(broken_off)
    assert broken_off.outcome().status in CANCELLED
    source.verify_memory()

    snapshot = take(source, via=EXEC_FILE)
    assert snapshot.outcome().status == "completed"
    assert source.owns_the_guest
    assert snapshot.wake().owns_the_guest


@pytest.mark.parametrize("capability", EXCLUDED)
def test_what_does_not_go_with_it_is_refused(source: VM, capability: str) -> None:
    """Each capability that a snapshot cannot be taken with is refused, and named."""
    assert capability in refusal_with(source, capability)

    assert source.owns_the_guest
