# SPDX-License-Identifier: Apache-2.0
"""A guest that is run although it was stopped, sleeps, is off or has panicked: seen on QEMU."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.migration import migrate
from landfall.power import ENDURES, OFF, PANIC, PVPANIC, SLEEP, Leaving, leave, wake
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu

RUNS = shlex.join([sys.executable, "-m", "landfall.mutants", "runs"])
LINGERS = 5.0
"""Seconds in which a guest that is run by mistake says so; it needs half of one."""
TIMES = 5
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


def test_stopped_guest_that_arrives_running_is_seen(start: Start, broken: Broken) -> None:
    """A stopped guest whose stream says that it ran breaks the contract on arrival."""
    source, destination = start(through=RUNS)
    source.stop()

    migrate(source, to=destination, via=TCP)

    assert "should be paused when it arrives on the destination" in broken()["contract"]


@pytest.mark.parametrize("leaving", [SLEEP, OFF, PANIC], ids=str)
def test_guest_that_left_and_is_run_is_seen(
    start: Start, broken: Broken, leaving: Leaving
) -> None:
    """A guest that sleeps, is off or has panicked says so itself where it is run."""
    source, destination = start(through=RUNS, devices=(ENDURES, PVPANIC))
    leave(source, leaving)

    migrate(source, to=destination, via=TCP)
    destination.line.speaks(LINGERS)
    destination.stop()  # it says no more: nothing else is waited for

    said = broken()
    assert f"should be {leaving.status} when it arrives" in said["contract"]
    assert f"the guest ran after it had left by «{leaving}»" in said["ownership"]


def test_guest_sleeps_and_wakes_with_its_memory(start: Start, broken: Broken) -> None:
    """A guest that goes to sleep again and again has its memory and every vCPU each time."""
    source, _destination = start(vcpus=8)

    for _ in range(TIMES):
        leave(source, SLEEP)
        wake(source)

    assert source.owns_the_guest
    assert broken() == {}
