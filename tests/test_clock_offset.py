# SPDX-License-Identifier: Apache-2.0
"""The true offset of two clocks is within the bounds that are stated, whatever the delays were."""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall import clock_offset
from landfall.clock_offset import SECOND, TICK, Measured, Offset, Sample, apart, at, drift, offset
from landfall.errors import HarnessError

NOW = 1_795_433_934 * SECOND
COARSE = 5
"""CLOCK_REALTIME_COARSE (Linux, include/uapi/linux/time.h), which time(2) reads."""
delays = st.integers(0, 3 * SECOND)
offsets = st.integers(-(10**10) * SECOND // 4, 10**10 * SECOND)
rates = st.fractions(Fraction(-400, 10**6), Fraction(400, 10**6), max_denominator=10**7)
times = st.floats(0, 1e6)
journeys = st.lists(st.tuples(delays, delays, delays), min_size=1, max_size=6)


def samples_of(
    journeys: Sequence[tuple[int, int, int]],
    ahead: int,
    rate: Fraction = Fraction(0),
    granularity: int = 1,
) -> tuple[list[Sample], list[Fraction]]:
    """Look at a clock with given delays: a pause, the way there, the way back; and the truth."""
    clock, samples, truth = NOW, [], []
    for pause, there, back in journeys:
        before = clock + pause
        reading = before + there
        true = ahead + rate * (reading - NOW)
        clock = reading + back
        samples.append(Sample(before, int((reading + true) // granularity * granularity), clock))
        truth.append(true / SECOND)
    return samples, truth


def test_the_middle_of_the_quickest_look() -> None:
    """Of two looks the quicker one counts, and half of what it took is the uncertainty."""
    looks = [
        Sample(0, 5_000_000_000, 2_000_000_000),
        Sample(3 * SECOND, 7 * SECOND, 3_002_000_000),
    ]

    found = offset(looks)

    assert found.seconds == pytest.approx(3.999, abs=1e-6)
    assert found.uncertainty == pytest.approx(0.001, abs=1e-6)
    assert str(found) == "+3999.000 ms, give or take 1.000 ms"


@given(journeys, offsets)
def test_truth_is_within_the_bounds(journeys: Sequence[tuple[int, int, int]], ahead: int) -> None:
    """However the delays are divided, the true offset is within the bounds; exactly so."""
    samples, [truth, *_] = samples_of(journeys, ahead)

    found = offset(samples)

    assert found.least <= truth <= found.most
    quickest = min(sample.width for sample in samples)
    assert found.uncertainty <= (quickest / 2 + 1) / SECOND + 1e-6


@given(journeys, offsets, rates, st.sampled_from([1, 1000, SECOND]))
def test_truth_is_within_the_bounds_of_clocks_that_drift(
    journeys: Sequence[tuple[int, int, int]], ahead: int, rate: Fraction, granularity: int
) -> None:
    """So it is while the clock drifts, and shows seconds only: at the quickest look."""
    samples, truth = samples_of(journeys, ahead, rate, granularity)
    quickest = min(range(len(samples)), key=lambda n: samples[n].width)

    found = offset(samples, granularity)

    assert found.least <= truth[quickest] <= found.most


@given(journeys, journeys, offsets, offsets)
def test_truth_is_within_the_bounds_of_two_hosts(
    one: Sequence[tuple[int, int, int]],
    other: Sequence[tuple[int, int, int]],
    ahead: int,
    further: int,
) -> None:
    """What is between two hosts, each compared with the runner, is within the bounds."""
    source, destination = samples_of(one, ahead)[0], samples_of(other, further)[0]

    found = apart(offset(source), offset(destination))

    assert found.least <= Fraction(further - ahead, SECOND) <= found.most


@pytest.mark.parametrize("width", [0.1, 0.3, 1e-9, 0.7])
def test_rounding_is_outwards(width: float) -> None:
    """The bounds of a sum have all of it in them, to the last bit."""
    one, other = Offset(0.1, width), Offset(1e9 + 0.2, width)

    found = apart(one, other)

    assert found.least <= other.least - one.most
    assert found.most >= other.most - one.least


@given(
    st.tuples(times, times).filter(lambda pair: pair[1] - pair[0] > 1 / SECOND),
    times,
    st.tuples(*[st.floats(-1e6, 1e6)] * 2),
    st.tuples(*[st.floats(1e-9, 10)] * 2),
    st.tuples(*[st.fractions(-1, 1)] * 2),
)
def test_truth_is_within_the_bounds_of_a_drift(
    when: tuple[float, float],
    asked: float,
    seconds: tuple[float, float],
    widths: tuple[float, float],
    errors: tuple[Fraction, Fraction],
) -> None:
    """Two measurements that hold bound the rate between them, and the offset at any time."""
    first, last = (
        Measured(t, Offset(s, w)) for t, s, w in zip(when, seconds, widths, strict=True)
    )
    truth = [
        Fraction(s) + error * Fraction(w)
        for s, w, error in zip(seconds, widths, errors, strict=True)
    ]
    rate = (truth[1] - truth[0]) / (Fraction(when[1]) - Fraction(when[0]))

    faster, then = drift(first, last), at(first, last, asked)

    assert abs(rate - Fraction(faster.rate)) <= Fraction(faster.uncertainty)
    assert then.least <= truth[0] + rate * (Fraction(asked) - Fraction(when[0])) <= then.most


def test_between_two_measurements_nothing_is_less_certain() -> None:
    """In the middle of two measurements the uncertainty is theirs; as far beyond, thrice that."""
    first, second = Measured(0.0, Offset(1.0, 0.001)), Measured(10.0, Offset(2.0, 0.001))

    assert at(first, second, 5.0).seconds == pytest.approx(1.5)
    assert at(first, second, 5.0).uncertainty == pytest.approx(0.001)
    assert at(first, second, 20.0).uncertainty == pytest.approx(0.003)
    assert str(drift(first, second)) == "+100000.0 ppm, give or take 200.0 ppm"


def test_measurements_at_the_same_time_tell_no_drift() -> None:
    """A drift is between two times."""
    once = Measured(1.0, Offset(0.0, 0.001))

    with pytest.raises(HarnessError, match="the second after the first"):
        drift(once, once)


def test_clock_that_was_set_is_seen() -> None:
    """Looks that contradict each other are no measurement, and it says by how much."""
    looks = [Sample(0, 5 * SECOND, 1000), Sample(2000, 6 * SECOND, 3000)]

    with pytest.raises(HarnessError, match=r"a clock was set .* by 0\.99999\d s at least"):
        offset(looks)


def test_runners_clock_that_went_back_is_seen() -> None:
    """A look that ended before it began is no measurement."""
    with pytest.raises(HarnessError, match="the runner's clock was set back"):
        offset([Sample(1000, 0, 0)])


def test_this_machine_is_not_ahead_of_itself() -> None:
    """A clock compared with itself is not ahead, as far as that can be told."""
    found = offset(clock_offset.take(time.time_ns))

    assert found.least <= 0 <= found.most
    assert found.uncertainty < 0.01


def test_coarse_clock_is_looked_at_until_it_ticks() -> None:
    """Of a clock with seconds only, its tick tells the offset as well as a fine one would."""
    clock = itertools.count(NOW + SECOND // 4, SECOND // 1000)
    ahead = 7 * SECOND

    def ask() -> int:
        return (next(clock) + ahead) // SECOND * SECOND

    found = offset(
        clock_offset.take(ask, granularity=SECOND, now=lambda: next(clock)), granularity=SECOND
    )

    assert found.least <= 7 <= found.most
    assert found.uncertainty < 0.005


def test_seconds_of_this_machine_are_late_by_a_tick_at_most() -> None:
    """What time(2) tells is as of the kernel's last tick; the bounds allow it."""

    def ask() -> int:
        select.select([], [], [], 0.001)
        return time.clock_gettime_ns(COARSE) // SECOND * SECOND

    _, granularity = clock_offset.reading("1795433934%N")
    found = offset(clock_offset.take(ask, granularity), granularity)

    assert found.least <= 0 <= found.most
    assert found.uncertainty < 0.03


def test_clock_that_stands_still_is_not_waited_for() -> None:
    """A coarse clock that does not tick is given up after two of its ticks."""
    clock = itertools.count(NOW, SECOND // 10)

    looks = clock_offset.take(lambda: NOW, granularity=SECOND, now=lambda: next(clock))

    assert looks[-1].after - looks[0].before < 3 * SECOND


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1795433934929187359\n", (1795433934929187359, 1)),
        ("1795433934%N", (1795433934 * SECOND, SECOND + TICK)),
        ("1795433934\n", (1795433934 * SECOND, SECOND + TICK)),
    ],
    ids=["coreutils", "busybox", "neither"],
)
def test_what_date_says(said: str, expected: tuple[int, int]) -> None:
    """A date without nanoseconds says seconds, and they count as such."""
    assert clock_offset.reading(said) == expected


def test_what_date_does_not_say() -> None:
    """Words instead of a number are an error that quotes them."""
    with pytest.raises(HarnessError, match="'date: not found'"):
        clock_offset.reading("date: not found\n")
