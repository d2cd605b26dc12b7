# SPDX-License-Identifier: Apache-2.0
"""Warm starts: a state is kept once, started from again, and judged like any other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall import keeping
from landfall.build import QemuBuild
from landfall.device import Hardware
from landfall.errors import PromiseBroken
from landfall.guest import Guest
from landfall.keeping import can_be_kept, wake, warm_vm
from landfall.kept import Kept
from landfall.machine import Machine
from landfall.migration import migrate
from landfall.nic import nics
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu

AHEAD = "landfall.mutants.adjust timer cpu_ticks_offset +4000000000"
"""More of the TSC's ticks than a second has on any machine."""
DAMAGES = [
    pytest.param("landfall.mutants flip-byte", "memory", id="flipped-byte"),
    pytest.param(AHEAD, "time", id="tsc-ahead"),
]
Broken = Callable[[], dict[str, str]]
Started = Callable[[], VM]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for the kept states."""
    folder = tmp_path / "kept-states"
    folder.mkdir()
    monkeypatch.setattr(keeping, "cache_folder", lambda _name: folder)
    return folder


@pytest.fixture
def waiting(stage: Stage, build: QemuBuild, pulse: Guest, cache: Path) -> Started:
    """Make a VM that shall start from a kept guest, and keep one where there is none."""
    return lambda: warm_vm(stage, build, Machine(pulse, memory=16))


def begin(vm: VM) -> VM:
    """Start a VM from the kept guest that it waits for."""
    vm.start()
    vm.connect()
    assert vm.kept
    wake(vm, vm.kept)
    return vm


@pytest.fixture
def started(waiting: Started) -> Started:
    """Start a VM from a kept guest."""
    return lambda: begin(waiting())


def test_kept_guest_goes_on_and_is_moved(started: Started, stage: Stage, broken: Broken) -> None:
    """A guest that was kept goes on from there, is moved as any other, and nothing is broken."""
    source = started()

    outcome = migrate(source, to=source.ready_twin(), via=TCP)

    assert outcome.status == "completed"
    assert broken() == {}
    assert source.line.heard[0].statement.kind == "boot"


def test_state_is_kept_once(started: Started, cache: Path) -> None:
    """The second start is from the same state: no guest is booted for it."""
    first = started()
    second = started()

    assert first.kept
    assert second.kept
    assert first.kept.heard[-1].statement == second.kept.heard[-1].statement
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 1


@pytest.mark.parametrize(("damage", "promise"), DAMAGES)
def test_damaged_state_is_convicted(
    waiting: Started, broken: Broken, cache: Path, damage: str, promise: str
) -> None:
    """What was changed in a state while it lay is found by the same oracles as on a wire."""
    vm = waiting()
    (state,) = cache.glob("*/state")
    name, *arguments = damage.split()
    argv = [sys.executable, "-m", name, *arguments]
    damaged = subprocess.run(argv, input=state.read_bytes(), capture_output=True, check=True)
    state.write_bytes(damaged.stdout)

    begin(vm)

    assert promise in broken()


def test_state_that_cannot_be_loaded_breaks_its_promise(started: Started, cache: Path) -> None:
    """A state that QEMU does not take breaks the promise of the state file; it is kept anew."""
    started()
    (state,) = cache.glob("*/state")
    state.write_bytes(state.read_bytes()[:100_000])

    with pytest.raises(PromiseBroken, match="a guest that was kept") as convicted:
        started()

    assert convicted.value.promise == "state file"
    assert started().owns_the_guest


def test_machine_that_cannot_be_migrated_starts_fresh(
    stage: Stage, build: QemuBuild, pulse: Guest, cache: Path
) -> None:
    """Where QEMU refuses to save a machine, its guest is booted."""
    blocker = Hardware("mtp", ("-device", "qemu-xhci", "-device", "usb-mtp,rootdir=/"))

    vm = warm_vm(stage, build, Machine(pulse, memory=16, devices=(blocker,)))

    assert vm.kept is None


def test_oldest_states_go(started: Started, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the states fill their room, those used longest ago are removed."""
    monkeypatch.setattr(keeping, "ROOM", 0)
    old = cache / "old"
    old.mkdir()
    (old / "state").write_bytes(b"x" * 100)

    started()

    assert not old.exists()


def test_half_a_state_is_none(tmp_path: Path) -> None:
    """A folder in which the keeping was cut short holds nothing that is kept."""
    (tmp_path / "state").write_bytes(b"")
    (tmp_path / "told.json").write_text('{"begun": 1, "rest"')

    assert Kept.read(tmp_path) is None


def test_device_with_a_state_of_its_own_is_not_kept(pulse: Guest) -> None:
    """A guest is kept only where our ends of all its devices hold nothing."""
    plain = Machine(pulse, devices=(Hardware("rng", ("-device", "virtio-rng-pci")),))
    wired = Machine(pulse, devices=nics("e1000"))

    assert can_be_kept(plain)
    assert not can_be_kept(wired)
