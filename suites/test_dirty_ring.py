# SPDX-License-Identifier: Apache-2.0
"""A guest arrives with all that it wrote where KVM notes it in rings, of whatever size.

QEMU's qemu-options.hx, `dirty-ring-size=n`: «controls the size of the per-vCPU dirty page ring
buffer (number of entries for each vCPU). It should be a value that is power of two, and it should
be 1024 or bigger (but still less than the maximum value that the kernel supports).» A vCPU stops
when its ring is full, and QEMU empties it then. A failure means that a page is lost with a ring
that was full or was not emptied, or that QEMU starts with one that cannot be.
"""

from __future__ import annotations

import pytest

from landfall.dirty_rate import BITMAP, PAGES_A_MIB, RING, expect_rate, start
from landfall.dirty_ring import Ring, expect_a_ring, refusal_to_start
from landfall.migration import MiB, carry, start_migration
from landfall.qmp import CommandRefused
from landfall.transport import EXEC, TCP, UNIX, Live
from landfall.vm import VM

SMALL, USUAL, LARGE = Ring(1024), Ring(4096), Ring(65536)
FAST, ALL_THE_TIME = 65536, 90
"""Pages a second that the guest is to write, and the percent of its time that it may."""
CALM = 16
"""MiB/s of a guest that writes less than is sent."""
HELD = 128 * MiB
"""Bytes/s that a fast guest exceeds."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
OFTEN = 4
"""Passes over RAM: a page that is lost in one of them is old where it arrives."""

with_rings = pytest.mark.parametrize(
    "accel",
    [
        pytest.param(USUAL.accel, id=str(USUAL)),
        *(pytest.param(one.accel, id=str(one), marks=pytest.mark.full) for one in (SMALL, LARGE)),
    ],
    indirect=True,
)


@pytest.fixture
def memory() -> int:
    """Enough that each vCPU fills the usual ring before it comes to a page again."""
    return 40


@with_rings
@pytest.mark.parametrize("transport", [TCP, UNIX, EXEC], ids=str)
def test_ring_loses_no_page(source: VM, destination: VM, transport: Live) -> None:
    """A guest that writes fast arrives with all that it wrote, whatever its ring holds."""
    expect_a_ring(source)
    source.set_guest(rate=FAST, duty=ALL_THE_TIME)
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=HELD, downtime=NEVER
    )
    migration.wait_for_pass(OFTEN)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.lab
@with_rings
def test_ring_loses_no_page_there_and_back(source: VM) -> None:
    """A guest that writes goes from ring to ring, and loses nothing."""
    expect_a_ring(source)
    source.set_guest(rate=CALM * PAGES_A_MIB)

    assert carry(source, via=TCP, times=4).owns_the_guest


@with_rings
def test_ring_tells_what_the_guest_writes(source: VM) -> None:
    """By the ring a guest is measured to write what it does; by the bitmap that it replaces not.

    The bitmap is refused.
    """
    expect_a_ring(source)
    RING.require(source.build)
    source.set_guest(rate=CALM * PAGES_A_MIB)

    expect_rate(source, RING, CALM / 3, CALM * 3)
    with pytest.raises(CommandRefused, match="dirty-bitmap is not enabled"):
        start(source, BITMAP)
    assert source.owns_the_guest


@pytest.mark.parametrize(
    ("unfit", "because"),
    [
        ("kvm,dirty-ring-size=1000", "must be a power of two"),
        ("kvm,dirty-ring-size=131072", "too big"),
        ("tcg,dirty-ring-size=4096", "not found"),
    ],
    ids=["no-power-of-two", "too-big", "tcg"],
)
def test_ring_that_cannot_be_is_refused_at_the_start(source: VM, unfit: str, because: str) -> None:
    """QEMU does not start with a ring of a size that cannot be, or without KVM, and says why."""
    USUAL.require(source.build)

    assert because in refusal_to_start(source, unfit)
    assert source.owns_the_guest
