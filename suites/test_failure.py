# SPDX-License-Identifier: Apache-2.0
"""Upon failure the guest continues to run on the source.

The promise of the KVM project's Migration page (2009): «The guest continues to run on the
source host upon failure (with one exception)»; the exception has a file of its own
(test_handover.py).

Every fault strikes in every phase in which it can (landfall.faults.table is the whole table,
with a source for each cell). Afterwards the guest is put to work where it must be: it checks
all its memory, and moves once more, to a fresh destination. What a failure means: an
operator whose destination, network or patience gave out has lost the guest, or runs it twice.
"""

from __future__ import annotations

import pytest

from landfall.device import Device
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Owner
from landfall.faults.fault import Fault
from landfall.faults.phase import LATER_PASS, Phase
from landfall.faults.table import cells
from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import VM

LAB = frozenset({("destination-killed", "first-pass")})
SMOKE = {*LAB, ("cancelled", "first-pass")}
Met = tuple[Fault, Phase, Cell]


def named(met: list[Met], lab: frozenset[tuple[str, str]] = frozenset()) -> list[object]:
    """Give each cell its name; a few are for the profile smoke, and fewer for the lab."""
    return [
        pytest.param(
            *cell,
            id=f"{cell[0]}-{cell[1]}",
            marks=[
                mark
                for mark, members in ((pytest.mark.smoke, SMOKE), (pytest.mark.lab, lab))
                if (cell[0].name, cell[1].name) in members
            ],
        )
        for cell in met
    ]


def still(met: list[Met]) -> list[Met]:
    """Leave out what a stopped guest cannot meet: it writes nothing, so there is no later pass."""
    return [cell for cell in met if cell[1] is not LATER_PASS]


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


@pytest.fixture
def devices(fault: Fault) -> tuple[Device, ...]:
    """What the faults lay their hands on."""
    return fault.devices


@pytest.mark.fault
@pytest.mark.parametrize(("fault", "phase", "cell"), named(cells(Owner.SOURCE), LAB))
def test_guest_continues_on_the_source(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """The guest continues on the source, whatever breaks and whenever."""
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.owns_the_guest

    source.verify_memory()
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(("fault", "phase", "cell"), named(still(cells(Owner.SOURCE))))
def test_stopped_guest_stays_on_the_source(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """A stopped guest stays stopped on the source, and can still be moved."""
    source.stop()
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.holds_the_guest_still

    source.be_paused()
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    fresh.cont()
    assert fresh.owns_the_guest


@pytest.mark.parametrize(("fault", "phase", "cell"), named(cells(Owner.DESTINATION)))
def test_guest_arrives_nevertheless(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """What is no failure does not keep the guest from arriving, as it was told to be."""
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize(("fault", "phase", "cell"), named(still(cells(Owner.DESTINATION))))
def test_stopped_guest_arrives_nevertheless(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """What is no failure does not keep a stopped guest from arriving, as it was told to be."""
    source.stop()
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses

    destination.cont()
    assert destination.owns_the_guest
