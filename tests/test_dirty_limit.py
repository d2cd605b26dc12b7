# SPDX-License-Identifier: Apache-2.0
"""Limits of vCPUs: what is watched is seen where it is not done, and believed where it is.

No guest runs under KVM everywhere: a guest that is slowed down is one that auto-converge slows
down, and limits are told by a QEMU that only listens to its monitor.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landfall.converging import Ladder, await_throttle, pace_of
from landfall.dirty_limit import (
    await_limit,
    await_pace,
    converges,
    expect_limits,
    expect_pace,
    expect_told_rate,
    let_go,
    limit,
    refusal_to_switch_on,
    require_speed,
)
from landfall.dirty_rate import PAGES_A_MIB, SAMPLING, expect_rate
from landfall.dirty_ring import Ring, expect_a_ring, refusal_to_start, ring_of, standing_by
from landfall.errors import Missing, PromiseBroken
from landfall.migration import MiB, start_migration
from landfall.transport import TCP
from landfall.vm import VM
from tests.command import SOUND, command, qualify

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
HELD, NEVER, SOON = 8 * MiB, 0.001, 0.3
BUSY, ALL_THE_TIME = 24576, 90
CALM = 8
"""MiB/s."""
MOMENT = 4.0
"""Seconds: more than a guest is watched for."""
UNDER_A_RING = ("--accel", "tcg", "-k", "test_limit_is_one_vcpus")
UNABLE = "it exists under kvm,dirty-ring-size=1024 only; this run uses tcg: asked for"


@pytest.fixture
def busy(start: Start) -> tuple[VM, VM, float]:
    """A guest that writes as fast as it can, its destination, and how fast that is."""
    source, destination = start(memory=8)
    source.set_guest(rate=BUSY, duty=ALL_THE_TIME)
    source.line.wait_for_beats(50, 10.0)
    return source, destination, pace_of(source)


@pytest.fixture
def bystander(start: Start) -> VM:
    """A QEMU under KVM with a ring, in which nothing runs."""
    source, _destination = start(memory=8)
    try:
        return standing_by(source, Ring(1024))
    except Missing as missing:
        pytest.skip(str(missing))


def test_guest_that_is_not_slowed_down_is_seen(busy: tuple[VM, VM, float]) -> None:
    """A guest that writes on as fast as ever under what should be a limit: the limit is broken."""
    source, _destination, usual = busy

    with pytest.raises(PromiseBroken, match="the guest on the source to write 0 to"):
        await_pace(source, most=usual / 4, within=MOMENT)


def test_guest_that_is_slowed_down_too_far_is_seen(busy: tuple[VM, VM, float]) -> None:
    """A guest of which one vCPU should write on, and none does: the limit is broken."""
    source, _destination, usual = busy
    source.set_guest(rate=0)

    with pytest.raises(PromiseBroken, match="the guest on the source to write"):
        await_pace(source, least=usual * 0.4, most=usual * 0.6, within=MOMENT)


def test_guest_that_is_slowed_down_is_told_from_one_that_is_not(
    busy: tuple[VM, VM, float],
) -> None:
    """What auto-converge slows down keeps to a limit, and does not write as it did."""
    source, destination, usual = busy
    expect_pace(source, usual / 2)
    ladder = Ladder(90, 10, 90)
    source.stage.features = (ladder.feature,)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD, downtime=NEVER)
    await_throttle(migration, ladder, rungs=1)

    await_pace(source, most=usual / 2)
    with pytest.raises(PromiseBroken, match="under a limit that it is far from"):
        expect_pace(source, usual / 2)

    migration.give_up()


def test_pace_is_what_qemu_measures(start: Start) -> None:
    """By the guest's own count, and by QEMU's samples, it writes what it was told to."""
    source, _destination = start(memory=160)
    source.set_guest(rate=CALM * PAGES_A_MIB)
    source.line.wait_for_beats(100, 10.0)

    counted = pace_of(source, 1.5) / PAGES_A_MIB
    assert CALM / 2 <= counted <= CALM * 1.2
    expect_rate(source, SAMPLING, counted / 3, counted * 3)


def test_guest_that_nobody_puts_to_sleep_is_seen(busy: tuple[VM, VM, float]) -> None:
    """A migration without a limit tells of none, and does not converge."""
    source, destination, _usual = busy
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD, downtime=NEVER)

    with pytest.raises(PromiseBroken, match="vCPUs to be put to sleep"):
        await_limit(migration, within=MOMENT)
    with pytest.raises(PromiseBroken, match="a guest that is slowed down to converge"):
        converges(migration, within=MOMENT)

    migration.give_up()


def test_migration_that_ends_too_soon_is_seen(start: Start) -> None:
    """A guest that was moved before a vCPU was put to sleep was not slowed down."""
    source, destination = start(memory=8)
    migration = start_migration(source, to=destination, via=TCP, downtime=SOON)

    with pytest.raises(PromiseBroken, match="completed before a vCPU was put to sleep"):
        await_limit(migration)

    assert migration.outcome().status == "completed"


def test_other_limits_than_were_set_are_seen(bystander: VM, broken: Broken) -> None:
    """A limit that is another, is there still, or was never set is told."""
    limit(bystander, 7)
    with pytest.raises(PromiseBroken, match=r"tells the limits \{0: 7, 1: 7\} .* \{0: 9, 1: 7\}"):
        expect_limits(bystander, {0: 9, 1: 7})

    let_go(bystander, cpu=0)
    with pytest.raises(PromiseBroken, match=r"tells the limits \{1: 7\}"):
        expect_limits(bystander, {})
    assert broken() == {}


def test_rate_that_nobody_writes_is_seen(bystander: VM) -> None:
    """A guest that does not run is not said to write."""
    limit(bystander, 7)

    expect_told_rate(bystander, 0, 1)
    with pytest.raises(PromiseBroken, match="to say that its guest writes 5 to 9 MiB/s"):
        expect_told_rate(bystander, 5, 9, within=MOMENT)


def test_capability_that_is_taken_is_seen(bystander: VM) -> None:
    """What should be refused and is not is told."""
    if "dirty-limit" not in bystander.build.capabilities:
        pytest.skip(f"{bystander.build} has no capability dirty-limit")

    with pytest.raises(PromiseBroken, match="which cannot be done"):
        refusal_to_switch_on(bystander, "dirty-limit")


def test_accelerator_that_can_be_is_seen(start: Start, broken: Broken) -> None:
    """A QEMU that starts with what it should refuse breaks its promise."""
    source, _destination = start(memory=8)

    with pytest.raises(PromiseBroken, match="starts with -accel tcg, which cannot be"):
        refusal_to_start(source, "tcg")
    assert broken() == {}


def test_host_without_a_ring_is_missing(start: Start) -> None:
    """Where no ring is, and where a guest is too slow, nobody is accused."""
    source, _destination = start(memory=8)

    with pytest.raises(Missing, match="gives KVM no dirty ring"):
        expect_a_ring(source)
    with pytest.raises(Missing, match="are needed to exceed a limit"):
        require_speed(source, 1e9)


def test_ring_is_read_from_an_accelerator() -> None:
    """An accelerator's ring is the one that it was made with."""
    assert ring_of(Ring(2048).accel) == Ring(2048)
    assert ring_of("kvm") is None


def test_scenario_under_a_ring_is_unable_under_tcg() -> None:
    """The reason names the accelerator and its ring, there and in the plan."""
    with qualify(*UNDER_A_RING, profile="default") as under_way:
        ended = under_way.ended()
    assert [scenario["reason"] for scenario in ended.scenarios] == [UNABLE]

    chosen = ("--profile", "default", "--src-qemu", SOUND, *UNDER_A_RING)
    with command("-m", "landfall", "plan", *chosen) as under_way:
        assert f"unable: {UNABLE}" in under_way.ended().output


def test_ring_that_does_not_start_is_missing(start: Start, broken: Broken) -> None:
    """Where QEMU cannot have its ring, and so no KVM, a scenario cannot be run, and says why."""
    source, _destination = start(memory=8)

    with pytest.raises(Missing, match="QEMU does not start with kvm,dirty-ring-size=131072"):
        standing_by(source, Ring(131072))
    assert broken() == {}
