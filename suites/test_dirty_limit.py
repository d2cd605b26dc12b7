# SPDX-License-Identifier: Apache-2.0
"""A vCPU that writes too fast is slowed down, and no other, until its guest can be moved.

docs/devel/migration/dirty-limit.rst (QEMU 8.1 and later): «the dirty limit algorithm will
restrict virtual CPUs as needed to keep their dirty page rate inside the limit»; in
qapi/migration.json are the capability dirty-limit and, for a guest that is not moved,
set-vcpu-dirty-limit (7.1): «Requires KVM with accelerator property "dirty-ring-size" set.» A
failure means that a guest that writes too fast is not moved, or is slowed down for good or where
it should not be.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW, Migration
from landfall.converging import free_again, pace_of, slows
from landfall.dirty_limit import (
    await_limit,
    await_pace,
    converges,
    dirty_limit,
    expect_limits,
    expect_pace,
    expect_told_rate,
    is_put_to_sleep,
    let_go,
    limit,
    most,
    refusal_to_switch_on,
    require_speed,
)
from landfall.dirty_rate import PAGES_A_MIB
from landfall.dirty_ring import (
    Ring,
    expect_a_ring,
    require_limits,
    standing_by,
)
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.refusal import refusal
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

SMALL, USUAL = Ring(1024), Ring(4096)
RATE = 10
"""MB/s that a vCPU may write: so much that the sleep after each full ring is a second or two."""
LIMIT, CLOSE = dirty_limit(RATE), dirty_limit(RATE, 100)
"""As often as QEMU looks at its vCPUs by itself, and ten times as often."""
FAST, ALL_THE_TIME = 65536, 90
"""Pages a second that the guest is to write, and the percent of its time that it may."""
CALM = 16
"""MiB/s of a guest that is far from any limit."""
AMPLE = 500
"""MB/s that no vCPU here reaches."""
HELD = 128 * MiB
"""Bytes/s that the guest exceeds, unless it is slowed down."""
NO_RING = "requires KVM with accelerator property 'dirty-ring-size' set"
NEVER, SOON = 0.001, 0.3
"""Down times (s): one that a guest which writes never meets, and QEMU's own."""


def under(*rings: Ring) -> pytest.MarkDecorator:
    """Run a scenario under KVM with each of some rings; the first one runs in every profile."""
    return pytest.mark.parametrize(
        "accel",
        [
            pytest.param(
                ring.accel, id=str(ring), marks=[] if ring is rings[0] else [pytest.mark.full]
            )
            for ring in rings
        ],
        indirect=True,
    )


limited = pytest.mark.parametrize("features", [(LIMIT,)], ids=named, indirect=True)


@pytest.fixture
def memory() -> int:
    """Enough that each vCPU fills its ring before it comes to a page again."""
    return 64


@pytest.fixture
def usual(source: VM) -> float:
    """Pages a second that the guest writes while nobody slows it down."""
    expect_a_ring(source)
    source.set_guest(rate=FAST, duty=ALL_THE_TIME)
    source.line.wait_for_beats(50, 10.0)
    return require_speed(source, 2 * most(RATE, source.machine.vcpus))


@pytest.fixture
def calm(source: VM) -> float:
    """Pages a second that a guest writes which is far from any limit."""
    expect_a_ring(source)
    source.set_guest(rate=CALM * PAGES_A_MIB)
    source.line.wait_for_beats(50, 10.0)
    return pace_of(source)


def slowed_down(source: VM, destination: VM, usual: float, via: Live = TCP) -> Migration:
    """Start to move a guest that writes too fast, and see it slowed down."""
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD, downtime=NEVER)
    await_limit(migration)
    assert slows(migration, usual)
    return migration


@pytest.mark.parametrize("features", [(LIMIT,), (CLOSE,)], ids=named, indirect=True)
@under(SMALL, USUAL)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_that_is_slowed_down_converges(
    source: VM, destination: VM, usual: float, transport: Live
) -> None:
    """A guest that writes too fast arrives over a wire too slow for it, and is free there."""
    migration = slowed_down(source, destination, usual, transport)
    migration.set(downtime=SOON)
    converges(migration)

    assert migration.outcome().status == "completed"
    free_again(destination, usual)
    expect_limits(destination, {})
    assert destination.owns_the_guest


@limited
@under(SMALL, USUAL)
def test_guest_is_free_where_it_stays(source: VM, destination: VM, usual: float) -> None:
    """A guest that was slowed down writes as ever when the move is cancelled, and can be moved."""
    migration = slowed_down(source, destination, usual)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    free_again(source, usual)
    expect_limits(source, {})
    fresh = source.ready_twin()
    source.set_guest(rate=0)
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@limited
@under(SMALL, USUAL)
def test_guest_is_free_when_the_move_fails(source: VM, destination: VM, usual: float) -> None:
    """A guest that was slowed down writes as ever when its destination is lost."""
    migration = slowed_down(source, destination, usual)
    destination.kill()

    assert migration.outcome().status == "failed"
    free_again(source, usual)
    expect_limits(source, {})
    assert source.owns_the_guest


@pytest.mark.parametrize("features", [(dirty_limit(AMPLE),)], ids=named, indirect=True)
@under(SMALL)
def test_guest_far_from_the_limit_is_not_slowed_down(
    source: VM, destination: VM, calm: float
) -> None:
    """A guest that writes less than it may is moved, and writes as it did all the while."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW, downtime=NEVER)
    migration.wait_for_pass(3)
    expect_pace(source, calm / 2)
    assert not is_put_to_sleep(migration)
    migration.release()

    assert migration.outcome().status == "completed"
    free_again(destination, calm)
    assert destination.owns_the_guest


@under(SMALL, USUAL)
def test_limit_is_kept_to_and_taken_back(source: VM, usual: float) -> None:
    """A guest that is not moved writes no more than its limit allows, until that is taken back."""
    limit(source, RATE)
    expect_limits(source, {0: RATE, 1: RATE})
    await_pace(source, most=most(RATE, 2))

    let_go(source)
    expect_limits(source, {})
    free_again(source, usual)
    assert source.owns_the_guest


@under(SMALL)
def test_limit_is_one_vcpus(source: VM, usual: float) -> None:
    """The limit of one vCPU slows that one down, and the other writes on as it did."""
    limit(source, RATE, cpu=1)
    expect_limits(source, {1: RATE})
    await_pace(source, least=usual * 0.4, most=usual / 2 + most(RATE, 1))

    let_go(source, cpu=1)
    expect_limits(source, {})
    free_again(source, usual)
    assert source.owns_the_guest


@under(SMALL, USUAL)
def test_vcpu_far_from_its_limit_is_not_slowed_down(source: VM, calm: float) -> None:
    """A guest that writes less than it may writes as it did, and QEMU tells truly how much."""
    limit(source, AMPLE)
    expect_told_rate(source, CALM / 3, CALM * 3)
    expect_pace(source, calm / 2)
    assert source.owns_the_guest


@under(SMALL)
def test_guest_that_was_limited_is_moved(source: VM, destination: VM, usual: float) -> None:
    """A guest that was limited before it is moved arrives, and its limit stays where it was."""
    limit(source, RATE)
    await_pace(source, most=most(RATE, 2))

    assert migrate(source, to=destination, via=TCP).status == "completed"
    expect_limits(destination, {})
    free_again(destination, usual)
    assert destination.owns_the_guest


@pytest.mark.parametrize("ring", [USUAL, SMALL], ids=str)
def test_limits_are_told_as_they_were_set(source: VM, ring: Ring) -> None:
    """Limits are set, changed and taken back vCPU by vCPU, and QEMU tells them so."""
    other = standing_by(source, ring)
    expect_limits(other, {})
    limit(other, 7)
    limit(other, 9, cpu=1)
    expect_limits(other, {0: 7, 1: 9})
    let_go(other, cpu=0)
    expect_limits(other, {1: 9})
    limit(other, 0, cpu=1)
    expect_limits(other, {})

    assert source.owns_the_guest


def test_limit_of_a_vcpu_that_is_not_there_is_refused(source: VM) -> None:
    """A vCPU that the machine has not is refused by set and cancel, in words."""
    other = standing_by(source, USUAL)
    nobody = source.machine.vcpus

    for command, rate in (("set", {"dirty-rate": 7}), ("cancel", {})):
        said = refusal(other, f"{command}-vcpu-dirty-limit", {"cpu-index": nobody, **rate})
        assert "incorrect cpu index" in said
    expect_limits(other, {})
    assert source.owns_the_guest


def test_limit_without_a_ring_is_refused(source: VM, destination: VM) -> None:
    """Where there is no dirty ring a limit is refused, in words, and the guest can be moved."""
    require_limits(source.build)
    assert NO_RING in refusal(source, "set-vcpu-dirty-limit", {"dirty-rate": 7})

    expect_limits(source, {})
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_capability_without_a_ring_is_refused(source: VM, destination: VM) -> None:
    """Where there is no dirty ring the capability is refused on both sides, in words."""
    LIMIT.require(source.build)
    for vm in (source, destination):
        assert NO_RING in refusal_to_switch_on(vm, "dirty-limit")

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_slowing_down_in_two_ways_is_refused(source: VM, destination: VM) -> None:
    """A guest is not slowed down by auto-converge and by dirty-limit together: in words."""
    LIMIT.require(source.build)

    assert "conflicts with auto-converge" in refusal_to_switch_on(
        source, "auto-converge", "dirty-limit"
    )

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vcpu-dirty-limit", 0),
        ("x-vcpu-dirty-limit-period", 0),
        ("x-vcpu-dirty-limit-period", 1001),
    ],
    ids=["no-rate", "no-time", "too-long"],
)
def test_limit_out_of_range_is_refused(source: VM, destination: VM, name: str, value: int) -> None:
    """A limit of nothing, and a time that is none or too long, are refused by name."""
    Feature(name, parameters=((name, value),)).require(source.build)

    said = refusal(source, "migrate-set-parameters", {name: value})
    assert name in said.replace("_", "-")
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
