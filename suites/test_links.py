# SPDX-License-Identifier: Apache-2.0
"""Upon failure of the link between the hosts the guest continues on the source.

The promise of the KVM project's Migration page (2009): «The guest continues to run on the
source host upon failure (with one exception)». Here the stream goes straight from one host to
the other, and what fails is the link itself: pulled out, losing in silence what goes one way,
or slow. A link that comes back before anybody gave up is no failure: TCP repeats what was
lost, and the guest arrives. One that does not is ended by `migrate_cancel` or `yank`, for QEMU
itself knows no deadline (10.0, migration/migration.c), and the guest goes on where it was.

It takes two hosts, and an inventory whose program can break links. What a failure means: an
operator whose network faltered for a second has lost the migration, or the guest.
"""

from __future__ import annotations

import pytest

from landfall.faults.fault import Fault
from landfall.faults.outage import (
    ANSWERS_LOST,
    IN_VAIN,
    LINK_DOWN,
    OUTAGES,
    STREAM_LOST,
    await_last_attempt,
    end_in_vain,
    end_too_late,
    outlast,
)
from landfall.faults.phase import FIRST_PASS, LATER_PASS, PRE_SWITCHOVER, SET_UP, Phase
from landfall.links import Cable
from landfall.migration import MiB, expect, migrate, start_migration
from landfall.refusal import refusal_to_wait
from landfall.transport import TCP
from landfall.vm import VM

PHASES = (SET_UP, FIRST_PASS, LATER_PASS, PRE_SWITCHOVER)
TELLING = {
    (LINK_DOWN, SET_UP),
    (LINK_DOWN, FIRST_PASS),
    (STREAM_LOST, PRE_SWITCHOVER),
    (ANSWERS_LOST, LATER_PASS),
}
"""Each outage once, and each phase: the others take as long and are for the full profile."""
NARROW = 8 * MiB
"""Bytes a second that a throttled link passes."""
OVERHEAD = 1.1
"""What a link carries besides, and QEMU's own pages' headers, are less than a tenth."""


def met(*left_out: tuple[Fault, Phase]) -> list[object]:
    """Give each outage in each phase its name; a few are for the default profile."""
    return [
        pytest.param(
            outage,
            phase,
            id=f"{outage}-{phase}",
            marks=[] if (outage, phase) in TELLING else [pytest.mark.full],
        )
        for outage in OUTAGES
        for phase in PHASES
        if (outage, phase) not in left_out
    ]


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


@pytest.mark.parametrize(("outage", "phase"), met())
def test_guest_arrives_when_the_link_is_back(
    cable: Cable, source: VM, destination: VM, outage: Fault, phase: Phase
) -> None:
    """A link that is back before anybody gave up has cost time and nothing else."""
    migration = outlast(source, destination, outage, phase, cable)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(("outage", "phase"), met((ANSWERS_LOST, PRE_SWITCHOVER)))
def test_guest_continues_when_the_link_stays_away(
    cable: Cable, source: VM, destination: VM, outage: Fault, phase: Phase
) -> None:
    """An attempt that is given up leaves the guest where it was, and it can be moved later."""
    migration = end_in_vain(source, destination, outage, phase, cable)
    destination.kill()  # or, at the switch-over: test_two_copies_are_seen_when_the_link_is_back
    cable.heal()

    assert migration.outcome().status in IN_VAIN[phase].statuses
    assert source.owns_the_guest

    source.verify_memory()
    await_last_attempt(source)
    fresh = source.ready_twin(build=destination.build)
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.full
@pytest.mark.fault
@pytest.mark.parametrize("phase", [FIRST_PASS, LATER_PASS], ids=str)
@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_destination_ends_when_the_link_is_back(
    cable: Cable, source: VM, destination: VM, outage: Fault, phase: Phase
) -> None:
    """A destination that was left behind hears of it when the link is back, and ends."""
    migration = end_in_vain(source, destination, outage, phase, cable)
    cable.heal()

    assert migration.outcome().status in IN_VAIN[phase].statuses
    assert not destination.alive
    assert source.owns_the_guest


@pytest.mark.full
@pytest.mark.fault
@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_attempt_that_was_cancelled_does_not_begin(
    cable: Cable, source: VM, destination: VM, outage: Fault
) -> None:
    """A connection that comes about after the attempt was cancelled is not made use of."""
    migration = end_in_vain(source, destination, outage, SET_UP, cable)
    cable.heal()

    assert migration.outcome().status in IN_VAIN[SET_UP].statuses
    assert source.owns_the_guest


@pytest.mark.full
@pytest.mark.fault
@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_two_copies_are_seen_when_the_link_is_back(
    cable: Cable, source: VM, destination: VM, outage: Fault
) -> None:
    """What is given up at the switch-over may arrive nevertheless, and both copies are seen."""
    migration = end_too_late(source, destination, outage, cable)

    assert migration.outcome().status in IN_VAIN[PRE_SWITCHOVER].statuses
    assert source.owns_the_guest


def test_guest_arrives_over_a_slow_link(cable: Cable, source: VM, destination: VM) -> None:
    """A link that is slower than QEMU was told is found out, and the guest arrives."""
    cable.throttle(NARROW)
    migration = start_migration(source, to=destination, via=TCP)

    outcome = migration.outcome()
    assert outcome.status == "completed"
    assert outcome.transferred <= outcome.total_time * NARROW * OVERHEAD
    assert destination.owns_the_guest


def test_port_that_is_taken_is_refused(source: VM, destination: VM) -> None:
    """A destination refuses a port that somebody on its host has, and nothing has happened."""
    somebody = source.ready_twin("somebody", build=destination.build)
    taken = TCP.uri(source, expect(somebody, TCP))

    assert "Address already in use" in refusal_to_wait(destination, taken)

    assert source.owns_the_guest
    fresh = source.ready_twin(build=destination.build)
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest
