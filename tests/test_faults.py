# SPDX-License-Identifier: Apache-2.0
"""The table of faults is complete, and a fault that does not strike is told, not passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from landfall.errors import PromiseBroken
from landfall.faults import fault as faults
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Impossible, Owner
from landfall.faults.fault import FAULTS, Fault
from landfall.faults.phase import (
    BEFORE,
    DEVICE_STATE,
    FIRST_PASS,
    PHASES,
    PRE_SWITCHOVER,
    SET_UP,
    Phase,
)
from landfall.faults.table import TABLE, WINDOW, cells, window
from landfall.history import Fate
from landfall.oracles.ownership import judge
from landfall.verdict import Verdict
from landfall.vm import VM
from tests.life import a_failed_attempt

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]

FAILING = [
    (faults.DESTINATION_KILLED, PRE_SWITCHOVER),
    (faults.DESTINATION_STOPPED, PRE_SWITCHOVER),
    (faults.CONNECTION_REFUSED, BEFORE),
    (faults.RESET, PRE_SWITCHOVER),
    (faults.STALLED, PRE_SWITCHOVER),
    (faults.HALF_CLOSED, PRE_SWITCHOVER),
    (faults.TRUNCATED, PRE_SWITCHOVER),
    (faults.CORRUPTED, PRE_SWITCHOVER),
    (faults.CANCELLED, PRE_SWITCHOVER),
    (faults.YANKED, PRE_SWITCHOVER),
    (faults.CONFIGURATION_REFUSED, SET_UP),
    (faults.DEVICE_STATE_REFUSED, DEVICE_STATE),
    (faults.PROGRAM_DIES, PRE_SWITCHOVER),
    (faults.DISK_FULL, PRE_SWITCHOVER),
]
"""Every fault that makes an attempt fail, in one phase in which it does."""


def without_a_strike(fault: Fault) -> Fault:
    """Return the fault as it would be if it did nothing."""
    return replace(fault, strike=lambda _attack: None, offered={})


def struck(source: VM, destination: VM, fault: Fault, phase: Phase) -> bool:
    """Whether an attempt ends as the table says it does when a fault has struck."""
    row = next(row for entry, row in TABLE.items() if entry.name == fault.name)
    cell = row[phase]
    assert isinstance(cell, Cell)
    try:
        return attack(source, destination, fault, phase, cell).outcome().status in cell.statuses
    except PromiseBroken:
        return False


def test_table_is_complete() -> None:
    """Every fault has a cell for every phase, with a rule, or a reason why it cannot be."""
    assert set(TABLE) == set(FAULTS)
    assert all(set(row) == set(PHASES) for row in TABLE.values())
    entries = [entry for row in TABLE.values() for entry in row.values()]
    assert all(entry.rule for entry in entries if isinstance(entry, Cell))
    assert all(entry.why for entry in entries if isinstance(entry, Impossible))


def test_every_cell_is_met() -> None:
    """The scenarios meet every cell of the table, and every fault that makes one fail is here."""
    met = [cell for owner in Owner for cell in cells(owner)]

    assert len(met) == sum(isinstance(e, Cell) for row in TABLE.values() for e in row.values())
    assert {f for f, _, _ in cells(Owner.SOURCE)} == {f for f, _ in FAILING}
    assert {f for f, _, _ in window()} == set(WINDOW)


@pytest.mark.qemu
@pytest.mark.parametrize(("fault", "phase"), FAILING, ids=str)
def test_fault_that_does_not_strike_is_told(start: Start, fault: Fault, phase: Phase) -> None:
    """An attempt that nothing happens to does not end as the table says it must."""
    source, destination = start(devices=fault.devices)

    assert not struck(source, destination, without_a_strike(fault), phase)


@pytest.mark.qemu
@pytest.mark.parametrize(("fault", "phase"), FAILING, ids=str)
def test_fault_strikes(start: Start, broken: Broken, fault: Fault, phase: Phase) -> None:
    """The same attempt ends as the table says when the fault strikes, and nothing is broken."""
    source, destination = start(devices=fault.devices)

    assert struck(source, destination, fault, phase)
    assert source.owns_the_guest
    assert broken() == {}


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("fault", "before", "landed"),
    [
        pytest.param(faults.SOURCE_TOLD_TO_STOP, VM.cont, "paused", id="stop"),
        pytest.param(faults.SOURCE_TOLD_TO_CONTINUE, VM.stop, "running", id="continue"),
    ],
)
def test_order_in_flight_changes_what_arrives(
    start: Start,
    broken: Broken,
    fault: Fault,
    before: Callable[[VM], None],
    landed: str,
) -> None:
    """A source that is told to stop, or to go on, while memory is sent sends another guest."""
    source, destination = start()
    before(source)
    cell = TABLE[fault][FIRST_PASS]
    assert isinstance(cell, Cell)

    migration = attack(source, destination, fault, FIRST_PASS, cell)

    assert migration.outcome().status == "completed"
    assert migration.attempt.landed == landed
    destination.cont()
    assert broken() == {}


@pytest.mark.qemu
@pytest.mark.parametrize(
    "fault", [faults.SOURCE_MONITOR_LOST, faults.DESTINATION_MONITOR_LOST], ids=str
)
def test_monitor_that_is_lost_is_lost(start: Start, broken: Broken, fault: Fault) -> None:
    """Nothing can be asked over a monitor that was lost; over the second one all can."""
    source, destination = start(devices=fault.devices)
    first = {vm.name: vm.qmp for vm in (source, destination)}
    cell = TABLE[fault][FIRST_PASS]
    assert isinstance(cell, Cell)

    attack(source, destination, fault, FIRST_PASS, cell).outcome()

    lost = [vm for vm in (source, destination) if vm.qmp is not first[vm.name]]
    assert [vm.name for vm in lost] == [fault.name.partition("-")[0]]
    with pytest.raises(PromiseBroken, match="hung up"):
        first[lost[0].name].execute("query-status")
    assert broken() == {}


def test_two_copies_convict_where_they_are_not_expected() -> None:
    """Two sides that run one guest break the promise of ownership."""
    finding = judge(a_failed_attempt(both_run=True))

    assert finding.verdict is Verdict.BROKEN
    assert "the guest ran on the source and on the destination" in finding.observations[0].text


def test_two_copies_are_noted_where_nothing_can_prevent_them() -> None:
    """Where the destination's last word is lost, two copies are what has to be seen."""
    finding = judge(a_failed_attempt(both_run=True, fate=Fate.BOTH))

    assert finding.verdict is Verdict.NOTED
    assert "the guest ran on the source and on the destination" in finding.observations[0].text


def test_copies_that_nobody_saw_convict() -> None:
    """A guest that may be on both sides, and shows on one, was not seen: that is not kept."""
    finding = judge(a_failed_attempt(both_run=False, fate=Fate.BOTH))

    assert finding.verdict is Verdict.BROKEN
    assert "nothing that either of them did shows it" in finding.observations[0].text
