# SPDX-License-Identifier: Apache-2.0
"""A bitmap that has lost a bit, is gone, or records no more, is told from a sound one."""

from __future__ import annotations

import pytest

from landfall.bitmaps import (
    BITMAPS,
    NODE,
    Bitmap,
    Blank,
    add,
    expect_none,
    expect_recording,
    expect_same,
    state,
    write,
)
from landfall.build import QemuBuild
from landfall.errors import PromiseBroken
from landfall.guest import Guest
from landfall.machine import Machine
from landfall.migration import migrate
from landfall.stage import Stage
from landfall.transport import UNIX
from landfall.vm import VM

pytestmark = pytest.mark.qemu


@pytest.fixture
def moved(stage: Stage, build: QemuBuild, pulse: Guest) -> tuple[VM, VM]:
    """Both sides of a guest that was moved with a bitmap."""
    stage.features = (BITMAPS,)
    vm = VM(stage, build, Machine(pulse, memory=16, devices=(Blank("blank"),)), "source")
    vm.start()
    vm.connect()
    vm.wait_for_guest()
    add(vm, Bitmap("fine"))
    write(vm, 1, 2)
    twin = vm.ready_twin()
    assert migrate(vm, to=twin, via=UNIX).status == "completed"
    return vm, twin


def test_sound_bitmap_is_the_same(moved: tuple[VM, VM]) -> None:
    """Nothing is said against a bitmap that came whole, and records on."""
    source, destination = moved

    expect_same(state(source, "fine"), destination, "fine")
    expect_recording(destination, ["fine"], 3)


def test_lost_bits_are_seen(moved: tuple[VM, VM]) -> None:
    """A bitmap that has as many bits, but others, is another."""
    source, destination = moved
    destination.qmp.execute("block-dirty-bitmap-clear", {"node": NODE, "name": "fine"})
    write(destination, 8, 9)

    with pytest.raises(PromiseBroken, match="now is one with other bits"):
        expect_same(state(source, "fine"), destination, "fine")


def test_bitmap_that_is_gone_is_named(moved: tuple[VM, VM]) -> None:
    """A destination without the bitmap is told from one with an empty one."""
    source, destination = moved
    destination.qmp.execute("block-dirty-bitmap-remove", {"node": NODE, "name": "fine"})

    with pytest.raises(PromiseBroken, match="has no bitmap called fine, which was a recording"):
        expect_same(state(source, "fine"), destination, "fine")


def test_bitmap_that_records_no_more_is_seen(moved: tuple[VM, VM]) -> None:
    """What is written into a bitmap that was disabled does not show, and that is told."""
    _source, destination = moved
    destination.qmp.execute("block-dirty-bitmap-disable", {"node": NODE, "name": "fine"})

    with pytest.raises(PromiseBroken, match="3 times 64 KiB had been written"):
        expect_recording(destination, ["fine"], 20, 21, 22)


def test_bitmap_that_was_to_stay_is_seen(moved: tuple[VM, VM]) -> None:
    """A bitmap that nobody asked to be sent is one too many."""
    _source, destination = moved

    with pytest.raises(PromiseBroken, match="called fine, which was to stay"):
        expect_none(destination, "fine")
