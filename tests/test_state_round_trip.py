# SPDX-License-Identifier: Apache-2.0
"""A guest that was saved, loaded and saved again says the same; so it does in another form."""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall import state
from landfall.clock import Bell
from landfall.state import State
from landfall.stream import Edit
from tests.stream.conftest import every_binary, fetched, newer_binary, recorder
from tests.stream.rig import DEADLINE, Qemu, Recorder, qemu
from tests.stream.test_contents import capable, ended

pytestmark = pytest.mark.qemu
__all__ = ["every_binary", "newer_binary", "recorder"]

STOPPED_CLOCK = ("-rtc", "clock=vm")
"""A real-time clock that stands still with its guest, as the host's does not."""


def save(vm: Qemu, path: Path) -> State:
    """Save a guest into a file."""
    vm.execute("migrate", uri=f"exec:cat > {path}.part && mv {path}.part {path}")
    assert ended(vm) == "completed"
    Bell().wait(path.exists, within=DEADLINE, what="the file", look_every=0.01)
    return state.read(path)


def round_trip(
    recorder: Recorder, folder: Path, first: str, second: str, machine: str = "q35"
) -> tuple[State, State]:
    """Save a guest that stands still, load it, and save it again."""
    options = ("-machine", machine, "-kernel", str(recorder.guest), *STOPPED_CLOCK)
    with qemu(first, folder, *options) as vm:
        vm.hear("ready")
        vm.execute("stop")
        before = save(vm, folder / "first")
    with qemu(second, folder, *options, "-S", "-incoming", "defer") as vm:
        assert vm.take(f"exec:cat {folder / 'first'}") == "completed/paused"
        return before, save(vm, folder / "second")


def unexcused(before: State, after: State) -> list[state.Difference]:
    """Return what differs, and may not."""
    return [one for one in state.differences(before, after) if not one.excuse]


def test_same_after_a_round_trip(recorder: Recorder, tmp_path: Path, every_binary: str) -> None:
    """A guest that stands still says the same when it was saved, loaded and saved again."""
    before, after = round_trip(recorder, tmp_path, every_binary, every_binary)

    assert unexcused(before, after) == []


def test_same_on_another_build(recorder: Recorder, tmp_path: Path) -> None:
    """It says the same to a newer build."""
    old, new = fetched("7.2"), fetched("10.0")

    before, after = round_trip(recorder, tmp_path, old, new, "pc-q35-7.2")

    assert unexcused(before, after) == []


def test_field_that_was_changed_on_the_way(recorder: Recorder, tmp_path: Path) -> None:
    """A register that was changed in between is the one thing that differs."""
    before, after = round_trip(recorder, tmp_path, fetched("10.0"), fetched("10.0"))
    cpu = after.device("cpu")
    assert cpu is not None
    leaf = next(each for each in cpu.leaves if each.path == "env.regs[4]")
    edit = Edit(leaf.offset, leaf.offset + 8, bytes(8))

    changed = state.read(b"".join(after.stream.pieces([edit])))

    assert [(one.path, one.after) for one in unexcused(before, changed)] == [("env.regs[4]", "0")]


def test_mapped_file_says_the_same(recorder: Recorder, tmp_path: Path, newer_binary: str) -> None:
    """The same guest says the same in a stream and in a mapped-ram file, page by page."""
    options = ("-machine", "q35", "-kernel", str(recorder.guest), *STOPPED_CLOCK)
    with qemu(newer_binary, tmp_path, *options) as vm:
        vm.hear("ready")
        vm.execute("stop")
        stream = save(vm, tmp_path / "stream")
    with qemu(newer_binary, tmp_path, *options, "-S", "-incoming", "defer") as vm:
        assert vm.take(f"exec:cat {tmp_path / 'stream'}") == "completed/paused"
        capable(vm, "mapped-ram")
        vm.execute("migrate", uri=f"file:{tmp_path / 'mapped'}")
        assert ended(vm) == "completed"

    assert unexcused(stream, state.read(tmp_path / "mapped")) == []
