# SPDX-License-Identifier: Apache-2.0
"""The relay passes what it is given, counts it, and tells a dead end from a quiet one."""

from __future__ import annotations

import pytest

from landfall.bandwidth import Measured
from landfall.clock import Bell
from landfall.errors import Undecided

MiB = 1 << 20


def bursts(count: int, size: int, every: float = 0.1) -> Measured:
    """Return what QEMU's limiter does: a burst a turn."""
    return Measured(tuple((n * every, (n + 1) * size) for n in range(count)))


def test_even_bursts_are_at_their_rate() -> None:
    """Bursts of a tenth of the cap, one a turn, are the cap: the edges of a second add nothing."""
    measured = bursts(30, MiB)

    assert measured.peak == pytest.approx(10 * MiB, rel=0.01)
    assert measured.mean == pytest.approx(10 * MiB, rel=0.01)


def test_one_fast_second_is_the_peak() -> None:
    """A second at twice the rate shows in the peak, however long the rest is."""
    slow = [(n * 0.1, (n + 1) * MiB) for n in range(30)]
    fast = [(3.0 + n * 0.1, 30 * MiB + (n + 1) * 2 * MiB) for n in range(11)]

    assert Measured((*slow, *fast)).peak == pytest.approx(20 * MiB, rel=0.06)


def test_nothing_passed_is_no_rate() -> None:
    """Where nothing passed there is no rate, and no cap is reached."""
    nothing = Measured(())

    assert nothing.peak == nothing.mean == 0
    assert not nothing.reaches(10, machine_can=20)
    assert nothing.reaches(10, machine_can=5)


def test_wait_says_what_it_waited_for_and_what_it_saw() -> None:
    """A wait that ends says what for, how long, and what there was instead."""
    with pytest.raises(Undecided, match=r"waited 0\.1 s for a miracle; last seen: rain"):
        Bell().wait(lambda: None, within=0.1, what="a miracle", seen=lambda: "rain")


def test_wait_ends_when_the_bell_rings() -> None:
    """What rings the bell while the condition is looked at is not missed."""
    bell, looks = Bell(), []

    def condition() -> bool:
        looks.append(1)
        bell.ring()
        return len(looks) == 3

    assert bell.wait(condition, within=5, what="three looks", look_every=60)
