# SPDX-License-Identifier: Apache-2.0
"""Memory that is handed over open: another's write is seen, and what is there already is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.cpr_transfer import CPR_TRANSFER, HandedMemory, transfer
from landfall.guest import Guest
from landfall.machine import Machine
from landfall.ram import base_of
from landfall.shared_memory import left_memory_where_it_is
from landfall.stage import Stage
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Broken = Callable[[], dict[str, str]]
PAGE = 4096
SPOILED = 0x8B8000
"""An address that the guest writes to, and checks."""


@pytest.fixture
def source(stage: Stage, build: QemuBuild, pulse: Guest) -> VM:
    """A guest whose memory can be handed on."""
    CPR_TRANSFER.require(build)
    stage.features = (CPR_TRANSFER,)
    vm = VM(
        stage, build, Machine(pulse, memory=16, devices=(HandedMemory("memory", 16),)), "source"
    )
    vm.start()
    vm.connect()
    vm.wait_for_guest()
    return vm


@pytest.fixture
def taker(source: VM) -> VM:
    """A twin that waits for open files."""
    twin = source.twin()
    twin.start()
    return twin


def test_memory_that_somebody_else_wrote_is_seen(source: VM, taker: VM, broken: Broken) -> None:
    """A page that changed while the guest was handed over is the memory oracle's."""
    source.stop()
    with Path(f"/proc/{source.process.pid}/mem").open("r+b", buffering=0) as file:
        file.seek(base_of(source) + SPOILED)
        file.write(bytes(PAGE))

    transfer(source, to=taker).outcome()
    taker.cont()

    assert taker.owns_the_guest
    assert "memory" in broken()


def test_both_have_the_same_memory(source: VM, taker: VM, broken: Broken) -> None:
    """What is written into the old QEMU's memory afterwards spoils the guest in the new one."""
    migration = transfer(source, to=taker)
    assert migration.outcome().status == "completed"
    assert left_memory_where_it_is(migration)
    with Path(f"/proc/{source.process.pid}/mem").open("r+b", buffering=0) as file:
        file.seek(base_of(source) + SPOILED)
        file.write(bytes(PAGE))

    assert taker.owns_the_guest
    assert "memory" in broken()
