# SPDX-License-Identifier: Apache-2.0
"""A secondary that is not what the primary was, or is not made so, is told from one that is.

Where no QEMU with a COLO that works is there (11.1 has one) nothing can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from landfall import fetch
from landfall.build import QemuBuild, find, probe
from landfall.colo import COLO, Pair, protect
from landfall.errors import PromiseBroken
from landfall.guest import Guest, cache_folder
from landfall.host import LocalHost
from landfall.machine import Machine
from landfall.ram import base_of
from landfall.stage import Stage
from landfall.transport import UNIX
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Broken = Callable[[], dict[str, str]]
SPOILED = range(0x8B8000, 0xCB8000, 0x10000)
"""Addresses that the guest writes to, and checks; more than it writes in a moment."""


@pytest.fixture(scope="session")
def keeps_in_step(host: LocalHost) -> QemuBuild:
    """A QEMU whose COLO begins: the newest that was fetched."""
    fetched = {one.name: str(one.path) for one in fetch.fetched(cache_folder("qemu"))}
    if "11.1" not in fetched:
        pytest.skip("./landfall qemu fetch 11.1: no other is known whose COLO works")
    return probe(*find("11.1", fetched, host), host)


@pytest.fixture
def pair(stage: Stage, keeps_in_step: QemuBuild, pulse: Guest) -> Pair:
    """A guest that two VMs run in step."""
    COLO.require(keeps_in_step)
    stage.features = (COLO,)
    vm = VM(stage, keeps_in_step, Machine(pulse, memory=16), "source")
    vm.start()
    vm.connect()
    vm.wait_for_guest()
    return protect(vm, by=vm.ready_twin(), via=UNIX)


def spoil(vm: VM) -> None:
    """Make some pages of its guest's others."""
    base = base_of(vm)
    with Path(f"/proc/{vm.process.pid}/mem").open("r+b", buffering=0) as file:
        for address in SPOILED:
            file.seek(base + address)
            file.write(bytes(4096))


def test_sound_guest_is_not_called_broken(pair: Pair, broken: Broken) -> None:
    """Without a fault the secondary has the guest, and nothing is held against it."""
    pair.lose_the_primary()

    assert pair.secondary.owns_the_guest
    assert set(broken()) <= {"time"}  # of TCG's TSC the register knows


def test_memory_that_was_not_brought_over_is_seen(pair: Pair, broken: Broken) -> None:
    """A page that the secondary has otherwise when it takes over is the memory oracle's."""
    spoil(pair.secondary)
    pair.lose_the_primary()

    assert pair.secondary.owns_the_guest
    assert "memory" in broken()


def test_checkpoints_that_do_not_come_are_missed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secondary that hangs is not waited for without end: what was waited for is named."""
    monkeypatch.setattr("landfall.colo.CHECKPOINT", 1.0)
    pair.secondary.freeze()

    with pytest.raises(PromiseBroken, match="5 checkpoints"):
        pair.await_checkpoints(5)
