# SPDX-License-Identifier: Apache-2.0
"""A snapshot that holds a page of later, or is of another moment, is told from a sound one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.background_snapshot import take
from landfall.build import QemuBuild
from landfall.guest import Guest
from landfall.machine import Machine
from landfall.ram import base_of
from landfall.stage import Stage
from landfall.transport import FILE
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Broken = Callable[[], dict[str, str]]
PAGE = 4096
WRITTEN = range(0x8B8000, 0xCB8000, 0x10000)
"""Addresses that the guest writes to, and checks."""


@pytest.fixture
def source(stage: Stage, build: QemuBuild, pulse: Guest) -> VM:
    """A guest that writes all of its memory again in a second or two."""
    vm = VM(stage, build, Machine(pulse, memory=16), "source")
    vm.start()
    vm.connect()
    vm.wait_for_guest()
    vm.set_guest(rate=4096)
    return vm


def test_page_of_later_is_seen(source: VM, broken: Broken) -> None:
    """Pages as the guest wrote them after the snapshot do not belong into it."""
    source.stop()
    snapshot = take(source, via=FILE)
    assert snapshot.outcome().status == "completed"
    copy = snapshot.wake()
    source.cont()
    source.line.wait_for_beats(100, 10.0)

    for address in WRITTEN:
        put(copy, address, page(source, address))
    copy.cont()

    assert copy.owns_the_guest
    assert "memory" in broken()


def test_guest_that_goes_on_from_another_moment_is_seen(source: VM, broken: Broken) -> None:
    """A copy that goes on from another moment than it was taken at repeats itself, or skips."""
    source.stop()
    snapshot = take(source, via=FILE)
    assert snapshot.outcome().status == "completed"
    copy = snapshot.wake()
    assert source.parting is not None
    taken = source.parting.taken
    source.parting = replace(source.parting, taken=replace(taken, heard=taken.heard - 3))
    copy.cont()
    source.cont()

    assert copy.owns_the_guest
    assert broken()


def page(vm: VM, address: int) -> bytes:
    """Return a page of a guest's memory."""
    with Path(f"/proc/{vm.process.pid}/mem").open("rb", buffering=0) as file:
        file.seek(base_of(vm) + address)
        return file.read(PAGE)


def put(vm: VM, address: int, content: bytes) -> None:
    """Make a page of a guest's memory another."""
    with Path(f"/proc/{vm.process.pid}/mem").open("r+b", buffering=0) as file:
        file.seek(base_of(vm) + address)
        file.write(content)
