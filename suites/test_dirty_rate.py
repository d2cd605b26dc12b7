# SPDX-License-Identifier: Apache-2.0
"""How fast a guest writes can be asked, before it is moved and while it is.

qapi/migration.json, calc-dirty-rate and query-dirty-rate: «Start measuring dirty page rate of the
VM», in MiB/s, by pages that are sampled, a dirty bitmap, or KVM's dirty ring. An operator plans
a migration's bandwidth by it. A failure means that the figure is not what the guest does, or that
asking for it costs a migration pages.
"""

from __future__ import annotations

import pytest

from landfall.dirty_rate import (
    BITMAP,
    PAGES_A_MIB,
    RING,
    SAMPLING,
    Measure,
    expect_rate,
    measured,
    start,
)
from landfall.migration import migrate
from landfall.qmp import CommandRefused
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

MIB = 8
QUIET, BUSY = 0, MIB * PAGES_A_MIB
"""Pages a second that the guest writes of its own."""
AT_REST = 2
"""MiB/s that a guest which is told to write nothing may come to: its stacks and counters."""


by_measures = pytest.mark.parametrize("by", [SAMPLING, BITMAP], ids=str)


@pytest.fixture
def memory() -> int:
    """Less than 128 MiB is not sampled (migration/dirtyrate.c, MIN_RAMBLOCK_SIZE)."""
    return 160


@by_measures
@pytest.mark.parametrize("vcpus", [1, 2], indirect=True)
def test_rate_is_what_the_guest_writes(source: VM, by: Measure) -> None:
    """A guest that writes 8 MiB/s is said to write so much, within a third and thrice."""
    source.set_guest(rate=BUSY)

    expect_rate(source, by, MIB / 3, MIB * 3)
    assert source.owns_the_guest


@by_measures
def test_guest_that_writes_nothing_is_told_from_one_that_does(source: VM, by: Measure) -> None:
    """A guest that writes next to nothing is said to."""
    source.set_guest(rate=QUIET)

    expect_rate(source, by, 0, AT_REST)
    assert source.owns_the_guest


@by_measures
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_that_was_measured_can_be_moved(
    source: VM, destination: VM, transport: Live, by: Measure
) -> None:
    """Measuring takes nothing away from the migration that follows."""
    source.set_guest(rate=BUSY)
    start(source, by)
    measured(source)

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.owns_the_guest


def test_what_only_kvm_has_is_refused_without_it(source: VM, destination: VM) -> None:
    """The dirty ring is KVM's: without it the answer is a refusal, and the guest can be moved."""
    RING.require(source.build)

    with pytest.raises(CommandRefused, match="dirty-ring is not enabled"):
        start(source, RING)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
