# SPDX-License-Identifier: Apache-2.0
"""x."""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.balloon import balloon_of, inflate
from landfall.migration import MiB, migrate, start_migration
from landfall.serial_port import PORT, leave_a_line, talk
from landfall.transport import TCP
from landfall.virtio import BALLOON, RNG, WATCHDOG
from landfall.vm import ANSWER, VM

LESS = 112 * MiB


@pytest.fixture
def guest_name() -> str:
    """A guest with an operating system."""
    return "linux-64"


@pytest.mark.parametrize("devices", [(BALLOON,)], ids=["balloon"], indirect=True)
def test_balloon(source: VM, destination: VM) -> None:
    """x."""
    inflate(source, LESS)
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert balloon_of(destination) == LESS
    inflate(destination, 128 * MiB)


@pytest.mark.parametrize("devices", [(RNG,)], ids=["rng"], indirect=True)
def test_rng(source: VM, destination: VM) -> None:
    """x."""
    a = source.line.request("rng", ANSWER)
    assert migrate(source, to=destination, via=TCP).status == "completed"
    b = destination.line.request("rng", ANSWER)
    assert a["bytes"] == b["bytes"] == 8
    assert a["value"] != b["value"]


@pytest.mark.parametrize("devices", [(PORT,)], ids=["port"], indirect=True)
def test_port(source: VM, destination: VM) -> None:
    """x."""
    talk(source, 10)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    talk(source, 10)
    leave_a_line(source)
    migration.release()
    assert migration.outcome().status == "completed"
    talk(destination, 10)


@pytest.mark.parametrize("devices", [(WATCHDOG,)], ids=["dog"], indirect=True)
def test_watchdog(source: VM, destination: VM) -> None:
    """x."""
    source.line.ask("watchdog", ANSWER, feed=1, timeout=2)
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
