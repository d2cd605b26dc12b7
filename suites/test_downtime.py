# SPDX-License-Identifier: Apache-2.0
"""The down time that is asked for is what the guest sees, and QEMU tells it truly.

The KVM project's Migration page (2009) aims at a down time and reports one; today that is
`downtime-limit`, «maximum tolerated downtime for migration», and `downtime`, «total downtime in
milliseconds for the guest» (qapi/migration.json). QEMU stops the guest once what is left to
send takes no longer than the limit, at the speed that it has measured (migration.c, 10.0:
migration_iteration_run, threshold_size). So the limit speaks of memory; devices' state and the
guest's start come on top, and are measured here with a guest that writes nothing, over the same
wire. The wire carries so much a second and no more, because with max-bandwidth alone the rest
is sent at any speed, and the limit would never be reached.

What the guest saw is told by its heartbeats, over many migrations. A failure means that guests
are away for longer than was asked for, or than QEMU says.
"""

from __future__ import annotations

import pytest

from landfall.downtime import absences
from landfall.migration import MiB, carry, start_migration
from landfall.transport import EXEC, FD, TCP, UNIX, Live
from landfall.vm import VM

WIRE = 64 * MiB
"""Bytes a second: a MiB that is left is 16 ms of down time."""
QUIET = 0
BUSY = 8192
"""Pages a second: half of what the wire carries, so that every pass is half of the last."""
AT_REST = 0.005
"""A down time (s) that a guest reaches that writes nothing."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
ENOUGH = 2.0
"""A down time (s) in which all of the memory can be sent, four times over."""
TOLERATED = 0.3
"""Seconds: `downtime-limit` unless it is told otherwise; at rest some 20 ms were measured."""
NARROW = 16 * MiB
TOO_BUSY = 12288
"""Pages a second: three times what the narrow wire carries, so that no pass gets shorter."""
RESTS = 3
FEW = 7
"""Migrations: four breaches of seven are one in 370 where one in ten may be one."""
MANY = 12
"""Five of twelve are one in 230."""
TOLD = 4
"""Three of four are one in 270."""


@pytest.fixture
def memory(least_memory: int) -> int:
    """8 MiB: the first pass takes an eighth of a second."""
    return max(8, least_memory)


@pytest.mark.parametrize(
    ("limit", "runs"),
    [pytest.param(0.05, FEW, id="50ms"), pytest.param(0.02, MANY, id="20ms")],
)
def test_guest_is_away_no_longer_than_was_asked_for(source: VM, limit: float, runs: int) -> None:
    """A guest that writes is away no longer than the limit beyond one that does not."""
    source.set_guest(rate=QUIET)
    here = carry(source, via=UNIX, times=RESTS, downtime=AT_REST, pace=WIRE)
    at_rest = absences(source.stage, "at-rest", last=RESTS)

    here.set_guest(rate=BUSY)
    here = carry(here, via=UNIX, times=runs, downtime=limit, pace=WIRE)
    busy = absences(source.stage, "busy", last=runs)

    busy.expect_within(limit, at_rest=at_rest)
    assert here.owns_the_guest


def test_guest_that_writes_nothing_is_hardly_away(source: VM) -> None:
    """A guest that leaves nothing to send is not away for as long as QEMU tolerates of itself."""
    source.set_guest(rate=QUIET)

    here = carry(source, via=UNIX, times=RESTS, downtime=AT_REST, pace=WIRE)

    absences(source.stage, "at-rest", last=RESTS).expect_below(TOLERATED)
    assert here.owns_the_guest


def test_limit_that_cannot_be_met_is_waited_for(source: VM, destination: VM) -> None:
    """A guest that writes too much for the limit stays, pass by pass, until it is raised."""
    source.set_guest(rate=TOO_BUSY)
    migration = start_migration(source, to=destination, via=UNIX, downtime=NEVER, pace=NARROW)
    migration.wait_for_pass(3)
    assert migration.status == "active"
    assert source.owns_the_guest

    migration.set(downtime=ENOUGH)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [UNIX, FD, TCP], ids=str)
def test_down_time_that_is_told_is_what_the_guest_saw(source: VM, transport: Live) -> None:
    """`downtime` is what the guest was away for, by a heartbeat."""
    source.set_guest(rate=QUIET)

    here = carry(source, via=transport, times=TOLD, pace=WIRE)

    absences(source.stage, "told", last=TOLD).expect_told()
    assert here.owns_the_guest


def test_down_time_that_is_told_one_way_is_no_more_than_the_guest_saw(source: VM) -> None:
    """`downtime` is no more than the guest was away for where the destination cannot answer."""
    source.set_guest(rate=QUIET)

    here = carry(source, via=EXEC, times=TOLD, pace=WIRE)

    absences(source.stage, "told", last=TOLD).expect_told_at_most()
    assert here.owns_the_guest
