# SPDX-License-Identifier: Apache-2.0
"""Rates of a stream's parts are measured where they passed, and a wire's pace is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from landfall.attempt import SLOW
from landfall.bandwidth import Measured
from landfall.errors import HarnessError
from landfall.migration import MiB, start_migration
from landfall.rates import measure_rates
from landfall.throttle import Throttle
from landfall.transport import TCP, UNIX
from landfall.vm import VM

pytestmark = pytest.mark.qemu


def test_devices_that_are_held_to_a_pace_are_seen(start: Callable[..., tuple[VM, VM]]) -> None:
    """Where all passes at one pace, the devices' state passes no faster than RAM does."""
    source, destination = start(memory=8)
    source.set_guest(rate=0)

    migration = start_migration(source, to=destination, via=UNIX, pace=SLOW, recorded=True)
    migration.outcome()

    rates = measure_rates(migration)
    whole = rates.running.amount + rates.rest.amount + rates.devices.amount
    assert rates.devices.rate < 2 * SLOW, str(rates)
    assert 4 * MiB < whole <= 9 * MiB
    assert "MiB/s); the devices: 0." in str(rates)


def test_cap_that_is_not_the_one_claimed_is_seen(start: Callable[..., tuple[VM, VM]]) -> None:
    """RAM that is sent at thrice the cap is told with its rate."""
    source, destination = start(memory=8)
    source.set_guest(rate=0)

    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=3 * SLOW, downtime=0.01, recorded=True
    )
    migration.outcome()

    assert measure_rates(migration).running.rate > 2 * SLOW


def test_migration_that_is_waited_for_has_a_curve(start: Callable[..., tuple[VM, VM]]) -> None:
    """Whoever waits for the end of a slow migration is told how far it had come meanwhile."""
    source, destination = start(memory=8)
    source.set_guest(rate=0)

    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.outcome()

    active = [s["ram"] for s in migration.attempt.samples if s.get("status") == "active"]
    assert len(active) >= 5
    assert len({ram["transferred"] for ram in active}) >= 3
    assert active[0]["remaining"] > active[-1]["remaining"]


def test_stream_that_was_not_recorded_cannot_be_measured(
    start: Callable[..., tuple[VM, VM]],
) -> None:
    """Who wants rates of a stream that nobody kept is told what to do."""
    source, destination = start()
    migration = start_migration(source, to=destination, via=TCP, watched=True)
    migration.outcome()

    with pytest.raises(HarnessError, match="start it with recorded=True"):
        measure_rates(migration)


def every(milliseconds: int, amount: int, seconds: int) -> list[tuple[float, int]]:
    """Return what a wire that carries so much so often has carried by when."""
    return [(n * milliseconds / 1000, n * amount) for n in range(seconds * 1000 // milliseconds)]


def test_late_reader_does_not_make_a_wire_faster() -> None:
    """What comes in one piece because nobody read meanwhile came all the while."""
    steady = every(100, MiB, seconds=4)
    late = [(at, total) for at, total in steady if not 1.1 < at < 1.9]

    assert Measured(tuple(steady)).peak <= 10.1 * MiB
    assert Measured(tuple(late)).peak <= 10.1 * MiB


def test_wire_that_is_too_fast_for_a_second_is_seen() -> None:
    """One second at twice the rate shows, whatever came before and after."""
    steady = every(100, MiB, seconds=4)
    burst = [(at, total + MiB * min(max(0, round((at - 1) * 10)), 10)) for at, total in steady]

    assert Measured(tuple(burst)).peak >= 18 * MiB


def test_pace_is_kept_and_ends_with_its_wire() -> None:
    """What passes takes its time, and a wire that is over takes none."""
    pace, over = Throttle(10 * MiB), threading.Event()
    begun = time.monotonic()
    for _ in range(4):
        pace.take(MiB // 4, over)
    assert time.monotonic() - begun >= 0.1

    over.set()
    pace.take(100 * MiB, over)
    assert time.monotonic() - begun < 5
