# SPDX-License-Identifier: Apache-2.0
"""There is one moment in which a failure may cost the guest, and it is known and seen.

The promise of the KVM project's Migration page (2009): the guest continues on the source upon
failure «with one exception». The exception is the hand-over: the source has sent its last byte
and stops being responsible, and the destination has not started the guest yet.

Three things are shown. Without a return path the source believes what it has sent: when the
destination dies then, nobody has the guest, and only `cont` on the source brings it back. With
a return path (every two-way transport has had one since QEMU 2.10) the source waits for the
destination's word, and the window is closed. What remains is the loss of that word itself:
then both sides may have the guest, and this must be *seen* and is reported as what it is
(*noted*), never passed over. What a failure means: a guest that is lost for good, or one that
runs twice on the same disk without anybody knowing.
"""

from __future__ import annotations

import pytest

from landfall.device import Device
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Owner
from landfall.faults.fault import Fault
from landfall.faults.phase import Phase
from landfall.faults.table import TABLE, cells, window
from landfall.transport import EXEC, TCP, TCP_ONE_WAY, UNIX, Live
from landfall.vm import VM

pytestmark = pytest.mark.fault

Met = tuple[Fault, Phase, Cell]


def named(met: list[Met]) -> list[object]:
    """Give each cell its name."""
    return [pytest.param(*cell, id=f"{cell[0]}-{cell[1]}") for cell in met]


def closed(met: list[Met]) -> list[Met]:
    """Return the same faults in the same phases as they are with a return path."""
    with_it = [(fault, phase, TABLE[fault][phase]) for fault, phase, _ in met]
    return [(fault, phase, cell) for fault, phase, cell in with_it if isinstance(cell, Cell)]


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


@pytest.fixture
def devices(fault: Fault) -> tuple[Device, ...]:
    """What the faults lay their hands on."""
    return fault.devices


@pytest.mark.parametrize("transport", [TCP_ONE_WAY, EXEC], ids=str)
@pytest.mark.parametrize(("fault", "phase", "cell"), named(window()))
def test_source_believes_and_the_destination_is_dead(
    source: VM, destination: VM, transport: Live, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """Without a return path nobody has the guest, until the source is told to go on."""
    migration = attack(source, destination, fault, phase, cell, via=transport)

    assert migration.outcome().status == "completed"
    assert source.status == "postmigrate"
    destination.await_end()

    source.cont()
    assert source.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
@pytest.mark.parametrize(("fault", "phase", "cell"), named(closed(window())))
def test_return_path_closes_the_window(
    source: VM, destination: VM, transport: Live, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """With a return path the guest goes on at the source by itself, whatever breaks then."""
    migration = attack(source, destination, fault, phase, cell, via=transport)

    assert migration.outcome().status in cell.statuses
    assert source.owns_the_guest


@pytest.mark.parametrize(("fault", "phase", "cell"), named(cells(Owner.BOTH)))
def test_two_copies_are_seen(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """When both sides may have the guest, they are seen to, and nobody is told otherwise."""
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.owns_the_guest


@pytest.mark.parametrize(("fault", "phase", "cell"), named(cells(Owner.BOTH)))
def test_two_copies_of_a_stopped_guest_are_seen(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """When both sides may have a stopped guest, they are seen to, and neither runs it."""
    source.stop()
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.holds_the_guest_still

    destination.kill()  # somebody has to decide
    source.cont()
    assert source.owns_the_guest
