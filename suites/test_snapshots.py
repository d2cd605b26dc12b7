# SPDX-License-Identifier: Apache-2.0
"""A guest is saved inside its image by a job, and continues from there.

qapi/migration.json, snapshot-save, snapshot-load and snapshot-delete (QEMU 6.0): «Save a VM
snapshot»; «Applications should not assume that the snapshot save is complete when this command
returns»: what was wrong is the job's error. savevm and loadvm, which say it at the monitor's
prompt, are in test_state_file.py. A failure means that a snapshot is not the guest, or that one
that cannot be had costs the guest.
"""

from __future__ import annotations

import re

import pytest

from landfall.migration import migrate
from landfall.snapshot import BY_JOBS, delete, refused, take
from landfall.transport import TCP
from landfall.vm import ANSWER, VM

BEATS = 16
CANNOT_BE: dict[str, tuple[str, dict[str, object], str]] = {
    "saved-twice": ("snapshot-save", {}, "already exists"),
    "image-that-is-not": ("snapshot-save", {"tag": "other", "vmstate": "nothing"}, "nothing"),
    "image-that-takes-none": ("snapshot-save", {"tag": "other", "devices": ["state-file"]}, "."),
    "name-of-none": ("snapshot-load", {"tag": "no-such"}, "no-such"),
}
"""What is asked for, and what has to be said of it."""


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: it goes through an image."""
    return max(16, least_memory)


@pytest.mark.parametrize("starts_stopped", [False, True], ids=["goes-on", "dash-S"])
def test_guest_continues_in_a_fresh_process(source: VM, *, starts_stopped: bool) -> None:
    """A guest that a job wrote into an image continues from it in a fresh process."""
    source.stop()
    snapshot = take(source, BY_JOBS)
    source.quit()

    fresh = snapshot.wake(stopped=starts_stopped)
    fresh.cont()

    assert fresh.owns_the_guest


def test_guest_goes_back(source: VM) -> None:
    """A guest that a job takes back continues from there, as if the time since had not been."""
    snapshot = take(source, BY_JOBS)
    source.line.wait_for_beats(BEATS, ANSWER)
    source.verify_memory()

    snapshot.go_back()

    assert source.owns_the_guest


def test_guest_goes_on_behind_its_snapshot(source: VM, destination: VM) -> None:
    """A guest of which a snapshot was taken goes on, and is moved like any other."""
    take(source, BY_JOBS)

    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(("command", "changes", "why"), CANNOT_BE.values(), ids=CANNOT_BE)
def test_what_cannot_be_is_refused(
    source: VM, destination: VM, command: str, changes: dict[str, object], why: str
) -> None:
    """A snapshot that cannot be is refused in words, and the guest goes on."""
    take(source, BY_JOBS)

    assert re.search(why, refused(source, command, **changes))
    source.cont()

    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_snapshot_that_was_deleted_is_gone(source: VM) -> None:
    """What was deleted cannot be loaded, and says so; another can be taken under its name."""
    take(source, BY_JOBS)
    delete(source)

    assert "landfall" in refused(source, "snapshot-load")
    BY_JOBS.save(source)
    source.cont()
    assert source.owns_the_guest
