# SPDX-License-Identifier: Apache-2.0
"""What the harness, the user or a foreign suite did wrong is not held against QEMU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.errors import HarnessError, PromiseBroken
from landfall.guest import Guest
from landfall.machine import Machine
from landfall.migration import migrate
from landfall.plugin import controller
from landfall.qmp import CommandRefused
from landfall.stage import Stage
from landfall.transport import EXEC_FILE, TCP, Address, Live
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


@dataclass(frozen=True)
class _Nonsense(Live):
    """A transport that QEMU has never heard of."""

    def expect(self, _destination: VM) -> Address:
        return None

    def uri(self, _source: VM, _address: Address) -> str:
        return "nonsense:"

    def entrance(self, folder: Path) -> None:  # type: ignore[override]
        raise AssertionError(folder)

    def reach(self, address: Address) -> int:
        raise AssertionError(address)


def test_attempt_that_qemu_refuses_is_none(start: Start, stage: Stage, broken: Broken) -> None:
    """A command that QEMU refuses begins no attempt: nothing is waited for, nothing is broken."""
    source, destination = start()

    with pytest.raises(CommandRefused):
        migrate(source, to=destination, via=_Nonsense("nonsense", two_way=False))

    assert stage.migrations == []
    assert broken() == {}


def test_vm_that_was_never_started_has_nothing_to_tell(start: Start, broken: Broken) -> None:
    """A twin that was made and not started does not disturb the judgement."""
    source, destination = start()
    source.twin("never")

    migrate(source, to=destination, via=TCP)

    assert broken() == {}


def test_machine_that_qemu_does_not_know_breaks_no_promise(start: Start, broken: Broken) -> None:
    """A VM whose command line QEMU refuses is the suite's mistake, told in QEMU's words."""
    source, _destination = start()
    twin = source.twin("foreign", cpu="nonsense")
    twin.start()

    with pytest.raises(HarnessError, match="unable to find CPU model"):
        twin.connect()

    assert broken() == {}


def test_guest_that_qemu_stops_by_itself_is_told_of_at_once(
    stage: Stage, build: QemuBuild, pulse: Guest
) -> None:
    """A guest that nobody told to stop, and that is not up, is not waited for."""
    vm = VM(stage, build, Machine(pulse), "source")
    vm.start()
    vm.connect()
    vm.qmp.execute("stop")  # as KVM has QEMU do that cannot enter a guest

    with pytest.raises(PromiseBroken, match="the source's QEMU stopped the guest by itself"):
        vm.wait_for_guest(beats=1000)


def test_saved_state_does_not_outlive_its_scenario(
    start: Start, stage: Stage, broken: Broken
) -> None:
    """The file that a guest was saved to is gone when the scenario is."""
    source, destination = start()
    migrate(source, to=destination, via=EXEC_FILE)
    path: Path = stage.migrations[0].path  # type: ignore[attr-defined]
    assert path.exists()

    assert broken() == {}
    assert not path.parent.exists()


def test_fixture_that_there_is_not_is_told_by_its_name() -> None:
    """Of pytest's account of an error in a set-up the conclusion is the reason."""
    said = (
        "file suite.py, line 42\n  def test_it(sauce):\nE       fixture 'sauce' not found\n>  ..."
    )
    report = pytest.TestReport("suite.py::test_it", ("", 0, ""), {}, "failed", said, "setup")

    assert controller._reason(report) == "fixture 'sauce' not found"
