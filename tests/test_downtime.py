# SPDX-License-Identifier: Apache-2.0
"""Down times are judged over many migrations, and a wire that is slow at the end is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landfall.downtime import Absence, Absences, absences, chance
from landfall.errors import PromiseBroken
from landfall.migration import MiB, carry
from landfall.stage import Stage
from landfall.transport import EXEC, UNIX
from landfall.verdict import Blackout
from landfall.vm import VM

HEARTBEAT = 0.02
SLOW_AT_THE_END = "cat >held && sleep 0.3 && cat held"
"""Nothing reaches the destination until the stream has ended, and 0.3 s more."""
WIRE = 64 * MiB


def seen(*milliseconds: float, told: float | None = None) -> Absences:
    """Return absences that a guest saw, and QEMU told (truly, unless said otherwise)."""
    return Absences(
        tuple(
            Absence(Blackout(ms / 1000, HEARTBEAT), (ms if told is None else told) / 1000)
            for ms in milliseconds
        )
    )


AT_REST = seen(8, 12, 10)


@pytest.mark.parametrize(
    ("against", "of", "probable"),
    [(0, 7, 1.0), (1, 1, 0.1), (3, 7, 0.0257), (4, 7, 0.0027), (5, 12, 0.0043), (3, 4, 0.0037)],
)
def test_chance_is_the_tail_of_the_binomial_distribution(
    against: int, of: int, probable: float
) -> None:
    """How often so many breaches come about by chance is reckoned rightly."""
    assert chance(against, of) == pytest.approx(probable, abs=0.0001)


def test_guest_that_was_away_for_too_long_too_often_is_seen() -> None:
    """Four of seven beyond limit, rest and heartbeat: it is said which, and how improbable."""
    busy = seen(90, 40, 110, 95, 30, 120, 20)

    with pytest.raises(PromiseBroken) as broken:
        busy.expect_within(0.05, at_rest=AT_REST)

    assert broken.value.promise == "scenario"
    assert broken.value.text == (
        "with a downtime-limit of 50 ms the guest was away for more than 82 ms (the limit, up to "
        "12 ms that it is away when it writes nothing, and a heartbeat) in 4 of 7 migrations; "
        "the guest saw 90, 40, 110, 95, 30, 120, 20 ms (each ± 20 ms, median 90 ms); if nine of "
        "ten kept to it this would happen once in 367 times"
    )


@pytest.mark.parametrize(
    "busy", [seen(80, 82, 60, 70, 75, 81, 79), seen(900, 40, 700, 60, 30, 800, 20)]
)
def test_busy_host_accuses_nobody(busy: Absences) -> None:
    """Times within the bound, and a few far beyond it, break nothing."""
    busy.expect_within(0.05, at_rest=AT_REST)


@pytest.mark.parametrize("told", [0, 40])
def test_down_time_that_is_told_wrongly_is_seen(told: float) -> None:
    """A `downtime` that is not what the guest saw is seen, whether it is less or more."""
    with pytest.raises(PromiseBroken, match=r"told a downtime \(.*\) that was another in 4 of 4"):
        seen(61, 65, 70, 66, told=told).expect_told()


def test_down_time_that_is_told_too_long_is_seen() -> None:
    """Where the destination cannot answer, less may be told, and more may not."""
    seen(61, 65, 70, 66, told=40).expect_told_at_most()

    with pytest.raises(PromiseBroken, match="that was longer in 4 of 4"):
        seen(11, 15, 10, 16, told=40).expect_told_at_most()


@pytest.mark.qemu
def test_wire_that_is_slow_at_the_end_is_seen(
    start: Callable[..., tuple[VM, VM]], stage: Stage
) -> None:
    """What is held back behind QEMU's back makes the guest be away for longer than was asked."""
    source, _ = start(memory=8)
    here = carry(source, via=UNIX, times=2, downtime=0.02, pace=WIRE)
    at_rest = absences(stage, "at-rest", last=2)
    stage.through = SLOW_AT_THE_END

    carry(here, via=EXEC, times=3, downtime=0.02, pace=WIRE)

    slow = absences(stage, "slow", last=3)
    with pytest.raises(PromiseBroken, match=r"guest was away for more than .* in 3 of 3"):
        slow.expect_within(0.02, at_rest=at_rest)
    with pytest.raises(PromiseBroken, match="that was another in 3 of 3"):
        slow.expect_told()
    slow.expect_told_at_most()
