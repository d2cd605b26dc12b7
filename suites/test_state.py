# SPDX-License-Identifier: Apache-2.0
"""What a machine says of itself is the same after it was moved.

QEMU's document: docs/devel/migration/main.rst (10.0): a device's VMState is all of it that has to
be sent, and what is loaded from it is the device as it was. So a machine that is saved again where
it was loaded, before its guest has run, says the same to the last field, and its memory holds the
same. What may differ all the same is in `state/may_differ.toml`, each entry with its reason.

A scenario that breaks here means that a part of the machine did not arrive, or arrived as
something else, whether this guest uses it or not: another guest will.
"""

from __future__ import annotations

import pytest

from landfall.migration import restore, save, start_migration
from landfall.models import SETS
from landfall.roundtrip.moved import expect_the_same
from landfall.transport import EXEC_FILE, TCP
from landfall.vm import VM

MACHINES = [pytest.param("q35", marks=pytest.mark.smoke), "pc", "microvm"]
TRIED = ("cards", "usb-devices", "storage", "virtio", "watchdogs", "ipmi", "vga")
"""Sets of devices; `./landfall state devices` tries each that a build has, without a guest."""
DEVICES = [pytest.param((models,), id=models.name) for models in SETS if models.name in TRIED]

RUN_STATE = "globalstate"
"""What tells whether a guest runs: one that ran, and whose destination is to wait, does not."""


def expect_the_same_from_a_file(source: VM, destination: VM) -> None:
    """Save a stopped guest, load it, save it again, and compare."""
    source.stop()
    saved = save(source, via=EXEC_FILE)
    assert saved.outcome().status == "completed"

    restore(destination, saved)
    again = save(destination, via=EXEC_FILE)
    assert again.outcome().status == "completed"

    expect_the_same(saved.written, again.written, (source, destination))


@pytest.mark.parametrize("machine_type", MACHINES, indirect=True)
def test_machine_says_the_same_where_it_was_loaded(source: VM, destination: VM) -> None:
    """A stopped guest's machine says the same of itself where it was loaded; the guest goes on."""
    expect_the_same_from_a_file(source, destination)

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("devices", DEVICES, indirect=True)
def test_devices_say_the_same_where_they_were_loaded(source: VM, destination: VM) -> None:
    """So do devices of every kind, whether the guest has used them or not."""
    expect_the_same_from_a_file(source, destination)

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
def test_machine_says_the_same_as_was_on_the_wire(source: VM, destination: VM) -> None:
    """A guest that was moved while it ran is, before it goes on, in the machine that was sent."""
    migration = start_migration(source, to=destination, via=TCP, recorded=True)
    assert migration.outcome().status == "completed"
    assert destination.holds_the_guest_still

    again = save(destination, via=EXEC_FILE)
    assert again.outcome().status == "completed"

    sides = source, destination
    expect_the_same(migration.recording, again.written, sides, but_for=RUN_STATE)
    destination.cont()
    assert destination.owns_the_guest
