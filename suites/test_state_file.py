# SPDX-License-Identifier: Apache-2.0
"""A guest can be saved to a file and continue from it later.

The promise of the KVM project's Migration page (2009): «save the virtual machine to a file,
restore it»; then `exec:` and `file:///path`, today `exec:` and `file:path` (QEMU 8.2 and
later; docs/devel/migration/main.rst). `savevm` and `loadvm` do the same inside a disk image.

A scenario that breaks here means that what was saved is not what continues: memory, registers
or a clock differ, the guest ran where it should not, or QEMU said one thing and did another.
"""

from __future__ import annotations

import pytest

from landfall.migration import migrate, restore, save
from landfall.refusal import Foreign, refused_uri
from landfall.snapshot import take
from landfall.transport import EXEC_FILE, FILE, FILE_AS_IN_2009, STORED, TCP, Stored
from landfall.vm import ANSWER, VM

LIES = 4.0
"""Seconds that a file lies: longer than the time oracle's slack for the real-time clock."""
BEATS = 16
"""Heartbeats in which the oracles see all they look for of a life that is undone."""
SECOND = pytest.param(FILE, id="file")
FIRST = pytest.param(EXEC_FILE, id="exec-file", marks=pytest.mark.smoke)


@pytest.mark.parametrize("transport", [FIRST, SECOND])
def test_stopped_guest_is_saved_and_continues(
    source: VM, destination: VM, transport: Stored
) -> None:
    """A guest that was saved while it stood still is loaded standing still, and continues."""
    source.stop()
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"

    restore(destination, saved)
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [FIRST, SECOND])
def test_guest_continues_when_its_source_is_long_gone(source: VM, transport: Stored) -> None:
    """A guest continues from its file in a process that was started after the source ended."""
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"
    source.quit()

    fresh = source.ready_twin("fresh")
    restore(fresh, saved)

    assert fresh.owns_the_guest


@pytest.mark.parametrize(
    "transport",
    [
        pytest.param(EXEC_FILE, id="exec-file"),
        pytest.param(FILE, id="file", marks=pytest.mark.full),
    ],
)
def test_clocks_know_how_long_the_file_lay(source: VM, destination: VM, transport: Stored) -> None:
    """While the file lies the TSC stands still and the real-time clock counts the wall."""
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"

    saved.lies_for(LIES)
    restore(destination, saved)
    destination.line.wait_for_second(ANSWER)

    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", STORED, ids=str)
def test_source_goes_on_after_it_was_saved(source: VM, transport: Stored) -> None:
    """The source of a saved guest goes on when it is told to: nobody else has it."""
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"

    source.cont()

    assert source.owns_the_guest


@pytest.mark.parametrize("transport", STORED, ids=str)
def test_file_can_be_loaded_twice(source: VM, destination: VM, transport: Stored) -> None:
    """The same file loaded twice makes two guests, each of which continues."""
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"
    second = source.ready_twin("second")

    restore(destination, saved)
    restore(second, saved)

    assert destination.owns_the_guest
    assert second.owns_the_guest


def test_uri_of_2009_still_names_a_file(source: VM, destination: VM) -> None:
    """`file:///path`, as it was written in 2009, is a path with three slashes today."""
    outcome = migrate(source, to=destination, via=FILE_AS_IN_2009)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(Foreign("nonsense:///tmp/state"), id="nonsense"),
        pytest.param(Foreign("file:///tmp/state"), id="file-2009"),
    ],
)
def test_uri_that_a_build_does_not_know_costs_nothing(
    source: VM, destination: VM, foreign: Foreign
) -> None:
    """A scheme that QEMU does not know is refused by name; the guest runs on and can be moved."""
    refusal = refused_uri(source, foreign)

    assert "migration protocol" in refusal
    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("starts_stopped", [False, True], ids=["goes-on", "dash-S"])
def test_guest_continues_from_an_internal_snapshot(source: VM, *, starts_stopped: bool) -> None:
    """A guest that savevm wrote into an image continues from it in a fresh process."""
    source.stop()
    snapshot = take(source)
    source.quit()

    fresh = snapshot.wake(stopped=starts_stopped)
    fresh.cont()

    assert fresh.owns_the_guest


def test_guest_goes_back_to_an_internal_snapshot(source: VM) -> None:
    """A guest that loadvm takes back continues from there, as if the time since had not been."""
    snapshot = take(source)
    source.line.wait_for_beats(BEATS, ANSWER)
    source.verify_memory()

    snapshot.go_back()

    assert source.owns_the_guest


def test_snapshot_that_is_not_there_costs_nothing(source: VM, destination: VM) -> None:
    """A snapshot that no image has is refused by name; the guest, told to, goes on.

    HMP's loadvm stops the guest first, and QEMU leaves it so when it fails (10.0).
    """
    take(source)

    said = source.qmp.execute("human-monitor-command", {"command-line": "loadvm no-such"})
    source.cont()

    assert "no-such" in said
    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
