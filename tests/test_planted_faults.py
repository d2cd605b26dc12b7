# SPDX-License-Identifier: Apache-2.0
"""Planted faults are convicted: each oracle is seen failing on real QEMU, in words."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.errors import PromiseBroken, QEMUDied
from landfall.migration import MiB, migrate, start_migration
from landfall.stage import Stage
from landfall.transport import EXEC, EXEC_FILE, FD, TCP, UNIX, Live, Transport
from landfall.vm import VM

pytestmark = pytest.mark.qemu

MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
BUSY = 12288
"""Pages a second that the guest writes: more than the cap below can carry."""
NEVER_DONE, DONE_AT_ONCE = 0.001, 10.0
"""Down times aimed at, in seconds: under that cap next to no page, and all of the RAM."""
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


@pytest.mark.parametrize("transport", [TCP, UNIX, FD, EXEC, EXEC_FILE], ids=str)
@pytest.mark.parametrize("command", ["cat", f"{MUTATE} hold"], ids=["cat", "hold"])
def test_harmless_filter_breaks_nothing(
    start: Start, broken: Broken, transport: Transport, command: str
) -> None:
    """A filter that changes nothing breaks nothing, even one that waits for the stream's end."""
    source, destination = start(through=command)

    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest
    assert broken() == {}


@pytest.mark.parametrize("transport", [TCP, EXEC, EXEC_FILE], ids=str)
@pytest.mark.parametrize("mutation", ["flip-byte", "zero-page"])
def test_damaged_memory_is_seen(
    start: Start, broken: Broken, transport: Transport, mutation: str
) -> None:
    """A byte changed, a page made zero: the memory oracle says so."""
    source, destination = start(through=f"{MUTATE} {mutation}")

    migrate(source, to=destination, via=transport)

    assert "memory" in broken()


@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_lost_last_pass_is_seen(start: Start, broken: Broken, transport: Live) -> None:
    """A stream without its last RAM section leaves a memory that is older than it was."""
    source, destination = start(through=f"{MUTATE} drop-last-ram")
    source.set_guest(rate=BUSY)

    # No cap is lifted: what a pass had left, and what it left anew, is all in the last section.
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=32 * MiB, downtime=NEVER_DONE
    )
    migration.wait_for_pass(2)
    migration.set(downtime=DONE_AT_ONCE)
    migration.outcome()

    # Among the lost pages may be the guest's own stacks: then it traps or falls silent.
    assert broken().keys() & {"memory", "cpu", "ownership"}


@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_lost_clock_is_seen(start: Start, broken: Broken, transport: Transport) -> None:
    """A stream without the section `timer` breaks the promise of time."""
    source, destination = start(through=f"{MUTATE} drop-timer")

    migrate(source, to=destination, via=transport)

    assert "TSC of vCPU 0 went back" in broken()["time"]


@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_clock_that_jumps_is_seen(start: Start, broken: Broken, transport: Transport) -> None:
    """A TSC that is an hour ahead on the destination breaks the promise of time."""
    source, destination = start(through=f"{MUTATE} shift-tsc")

    migrate(source, to=destination, via=transport)

    assert "the TSC jumped by" in broken()["time"]


@pytest.mark.parametrize("vcpus", [2, 4, 8])
def test_timer_of_any_vcpu_that_dies_is_seen(start: Start, broken: Broken, vcpus: int) -> None:
    """A vCPU whose timer does not fire any more breaks the promise of time."""
    source, destination = start(through=f"{MUTATE} late-timer", vcpus=vcpus)

    migrate(source, to=destination, via=TCP)

    last = f"vCPU {vcpus - 1} takes no timer interrupts any more"
    assert last in broken()["time"]


def test_changed_register_is_seen(start: Start, broken: Broken) -> None:
    """A byte changed in a vCPU's registers breaks the promise of the CPU."""
    source, destination = start(through=f"{MUTATE} cpu-register")

    migrate(source, to=destination, via=TCP)

    assert "where the guest left" in broken()["cpu"]


def test_two_running_sides_are_seen(start: Start, broken: Broken) -> None:
    """A source that is told to go on after success runs beside its destination."""
    source, destination = start()
    migrate(source, to=destination, via=TCP)

    source.cont()
    source.line.wait_for_beats(3, within=10)

    assert "the guest ran on the source and on the destination" in broken()["ownership"]


def test_difference_of_memory_is_seen_while_neither_runs(start: Start, broken: Broken) -> None:
    """A byte changed in flight shows when both RAMs are compared, before the guest runs."""
    source, destination = start(through=f"{MUTATE} flip-byte", starts_stopped=True)
    migrate(source, to=destination, via=TCP)

    destination.cont()

    assert "neither running, differs from" in broken()["memory"]


def test_qemu_that_dies_is_seen(start: Start, broken: Broken) -> None:
    """A destination that is killed behind our back breaks the contract."""
    source, destination = start()
    migrate(source, to=destination, via=TCP)

    os.kill(destination.process.pid, signal.SIGKILL)
    destination.process.wait(5)

    assert "ended by itself with status -9" in broken()["contract"]


def test_truncated_stream_kills_the_destination_and_says_so(start: Start) -> None:
    """A stream cut short is a failure of the destination, in QEMU's own words."""
    source, destination = start(through=f"{MUTATE} truncate")

    with pytest.raises(QEMUDied, match="destination's QEMU ended with status 1"):
        migrate(source, to=destination, via=EXEC)


def test_stray_process_is_seen(start: Start, stage: Stage, broken: Broken) -> None:
    """A process that QEMU's command left behind breaks the promise of the host."""
    source, _destination = start()
    stray = stage.host.spawn(["sleep", "60"], cwd=source.folder, errors=Path(os.devnull))

    said = broken()

    stray.end()
    assert "outlived its QEMU: sleep 60" in said["host"]


def test_file_that_qemu_leaves_is_seen(start: Start, broken: Broken) -> None:
    """A file or socket that QEMU leaves in its folder breaks the promise of the host."""
    source, destination = start()
    migrate(source, to=destination, via=TCP)

    (destination.folder / "core").touch()

    assert "QEMU left destination/core behind" in broken()["host"]


def test_hung_qemu_costs_one_deadline(start: Start) -> None:
    """A destination that is stopped in its tracks is told after one deadline, not waited for."""
    source, destination = start()
    migration = start_migration(source, to=destination, via=TCP)
    migration.outcome()

    destination.process.signal(signal.SIGSTOP)

    with pytest.raises(PromiseBroken, match="did not answer query-status"):
        _ = destination.status
