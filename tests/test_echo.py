# SPDX-License-Identifier: Apache-2.0
"""How long a guest was away on the wire is read off the echoes, and figures assume no shape."""

from __future__ import annotations

import pytest

from landfall.network.echo import Echo, Ping, gaps
from landfall.network.figures import Figures, figures

HERE, THERE = "source", "destination"


def ping(number: int, sent: float, at: float | None = None, port: str = HERE) -> Ping:
    """A datagram, answered at a time or not at all."""
    return Ping(number, sent, (Echo(at, port),) if at is not None else ())


AWAY = (
    ping(0, 0.999, 1.000),
    ping(1, 1.003),
    ping(2, 1.100),
    ping(3, 1.190, 1.200, THERE),
    ping(4, 1.191, 1.201, THERE),
)


def test_gap_is_from_the_last_echo_here_to_the_first_there() -> None:
    """A blackout lasts from the last echo by one port to the first by another."""
    (gap,) = gaps(AWAY)

    assert (gap.source, gap.destination, gap.lost) == (HERE, THERE, 2)
    assert gap.seconds == pytest.approx(0.2)


def test_gap_is_as_uncertain_as_the_guest_was_not_asked() -> None:
    """Between the last echo and the next datagram, and before the one answered, nobody asked."""
    (gap,) = gaps(AWAY)

    assert gap.uncertainty == pytest.approx(0.080)


def test_datagram_that_lay_for_a_while_tells_that_the_guest_was_away() -> None:
    """A guest that let a datagram lie for longer than it was not asked before was away."""
    (gap,) = gaps([*AWAY[:3], ping(3, 1.140, 1.200, THERE)])

    assert gap.uncertainty == pytest.approx(0.003)


def test_guest_that_stays_has_no_gap() -> None:
    """A guest that is silent and answers by the same port was away, but not to another host."""
    assert list(gaps([ping(0, 1.0, 1.001), ping(1, 1.5), ping(2, 2.0, 2.001)])) == []


def test_figures_are_of_the_order_of_what_was_measured() -> None:
    """The median's bounds are the measurements that binomial counts make sure of, or none."""
    measured = [float(n) for n in range(1, 11)]

    assert figures(measured) == Figures(10, 1.0, 3.25, 5.5, 7.75, 10.0, (2.0, 9.0))
    assert figures(measured[:6]).bounds == (1.0, 6.0)
    assert figures(measured[:5]).bounds is None
