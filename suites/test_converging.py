# SPDX-License-Identifier: Apache-2.0
"""A guest that writes faster than it can be sent is slowed down for as long as that takes.

qapi/migration.json (QEMU 10.0), auto-converge: «If enabled, QEMU will automatically throttle down
the guest to speed up convergence of RAM migration», from cpu-throttle-initial by
cpu-throttle-increment to max-cpu-throttle percent. The guest counts what it writes, so it is seen
slowed down, and seen free afterwards, wherever it is. When it may be stopped follows from the
bandwidth that QEMU has found, or was told: «avail-switchover-bandwidth: to set the available
bandwidth that migration can use during switchover phase». A failure means that a guest is slowed
down by more than an operator allowed, or for good, that its clocks and memory do not bear it, or
that it is stopped when it may not be.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, Migration
from landfall.converging import Ladder, await_throttle, free_again, pace_of, slows, tell, told
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.switchover import let_switch_over, wait_for_switchover
from landfall.transport import EXEC, FD, TCP, UNIX, Live
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(TCP, id="tcp"),
    *(pytest.param(via, id=str(via), marks=pytest.mark.full) for via in (UNIX, FD, EXEC)),
]
SHORT, STEEP, LONG = Ladder(40, 55, 95), Ladder(90, 10, 90), Ladder(5, 25, 95)
HELD = 8 * MiB
"""Bytes/s that the guest exceeds even while it is slowed down."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
BUSY, ALL_THE_TIME = 24576, 90
"""Pages a second that the guest is to write, and the percent of its time that it may."""


ENOUGH = 64 * MiB
"""Bytes/s at which all of the guest's memory takes less than QEMU's usual down time, and some of
it more than no time."""
TRICKLE, AMPLE = 4096, 1 << 40
"""Bytes/s at which a page takes longer than a down time, and at which all of memory does not."""
OFTEN = 4
"""Passes over RAM: a source that may stop the guest has done so long before."""


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: a pass is to be short."""
    return max(8, least_memory)


@pytest.fixture
def ladder(request: pytest.FixtureRequest) -> Ladder:
    """How it is slowed down."""
    return getattr(request, "param", SHORT)


@pytest.fixture
def features(ladder: Ladder) -> tuple[Feature, ...]:
    """What both sides are told."""
    return (ladder.feature,)


@pytest.fixture
def usual(source: VM) -> float:
    """Pages a second that the guest writes while nobody slows it down."""
    source.set_guest(rate=BUSY, duty=ALL_THE_TIME)
    source.line.wait_for_beats(50, 10.0)
    return pace_of(source)


def start(source: VM, destination: VM, via: Live, *, waits: bool = False) -> Migration:
    """Start to move a guest that writes too fast."""
    return start_migration(
        source, to=destination, via=via, bandwidth=HELD, downtime=NEVER, waits=waits
    )


@pytest.mark.parametrize("ladder", [STEEP], ids=str, indirect=True)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_guest_is_free_where_it_arrives(
    source: VM, destination: VM, usual: float, ladder: Ladder, transport: Live
) -> None:
    """A guest that was slowed down writes as ever on the destination."""
    migration = start(source, destination, transport)
    await_throttle(migration, ladder, rungs=1)
    assert slows(migration, usual)
    migration.release()

    assert migration.outcome().status == "completed"
    free_again(destination, usual)
    assert destination.owns_the_guest


@pytest.mark.parametrize("ladder", [STEEP], ids=str, indirect=True)
def test_guest_is_free_where_it_stays(
    source: VM, destination: VM, usual: float, ladder: Ladder
) -> None:
    """A guest that was slowed down writes as ever on the source when the move is cancelled."""
    migration = start(source, destination, TCP)
    await_throttle(migration, ladder, rungs=1)
    assert slows(migration, usual)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    free_again(source, usual)
    fresh = source.ready_twin()
    source.set_guest(rate=0)
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.parametrize(
    "ladder",
    [SHORT, pytest.param(LONG, marks=pytest.mark.full)],
    ids=str,
    indirect=True,
)
def test_guest_is_slowed_down_step_by_step(
    source: VM, destination: VM, usual: float, ladder: Ladder
) -> None:
    """The throttle climbs as it was told to, to its bound; the guest waits there to be let go."""
    migration = start(source, destination, UNIX, waits=True)
    await_throttle(migration, ladder, rungs=len(ladder.rungs))
    passes = migration.passes
    migration.wait_for_pass(passes + 2)
    migration.release()
    wait_for_switchover(migration)
    let_switch_over(source)

    assert migration.outcome().passes > passes
    free_again(destination, usual)
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(told(0),)], ids=named)
def test_guest_changes_sides_by_the_bandwidth_that_was_told(source: VM, destination: VM) -> None:
    """A guest whose move would not converge changes sides when QEMU is told that it would."""
    source.set_guest(rate=BUSY)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD)
    migration.wait_for_pass(OFTEN)
    assert not migration.rests

    tell(migration, AMPLE)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(told(TRICKLE),)], ids=named)
def test_guest_waits_for_the_bandwidth_that_was_told(source: VM, destination: VM) -> None:
    """A guest that could change sides does not while QEMU is told of a bandwidth too low."""
    source.set_guest(rate=BUSY)
    migration = start_migration(source, to=destination, via=UNIX, bandwidth=ENOUGH)
    migration.wait_for_pass(OFTEN)
    assert not migration.rests

    tell(migration, AMPLE)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest
