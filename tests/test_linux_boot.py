# SPDX-License-Identifier: Apache-2.0
"""A real kernel boots with the initramfs made for it, and its console is in the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from landfall.build import QemuBuild
from landfall.guest import Guest
from landfall.machine import Machine
from landfall.migration import migrate
from landfall.stage import Stage
from landfall.statement import Statement
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu


@pytest.fixture
def booted(stage: Stage, build: QemuBuild, linux: Guest) -> Callable[..., VM]:
    """Boot the guest, and not from a state of it that was kept."""

    def started(**changes: object) -> VM:
        machine = Machine(linux, memory=linux.memory)
        vm = VM(stage, build, replace(machine, **changes), "source")  # type: ignore[arg-type]
        vm.start()
        vm.connect()
        vm.wait_for_guest()
        return vm

    return started


def first_statement(vm: VM) -> Statement:
    """What the guest said first."""
    return vm.line.heard[0].statement


def console(vm: VM) -> str:
    """What the kernel said on its own serial line."""
    return (vm.evidence / "console").read_text()


def test_kernel_boots_by_pvh(booted: Callable[..., VM], linux: Guest) -> None:
    """The kernel boots unpacked, and the consoles of both sides are kept, each its own."""
    source = booted(append="loglevel=8 -- rate=40")
    destination = source.ready_twin()

    outcome = migrate(source, to=destination, via=TCP)

    assert linux.kernel.name == "vmlinux"
    assert outcome.status == "completed"
    assert first_statement(source).texts["guest"] == "linux"
    assert "Linux version" in console(source)
    assert "Linux version" not in console(destination)


def test_bzimage_boots(booted: Callable[..., VM], linux: Guest) -> None:
    """A kernel that unpacks itself boots as well, with the same initramfs."""
    packed = replace(linux, kernel=linux.kernel.parent / "vmlinuz")

    source = booted(guest=packed)

    assert first_statement(source).texts["guest"] == "linux"
