# SPDX-License-Identifier: Apache-2.0
"""A network that learns something wrong is noticed: the wire oracle bites on real QEMU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from landfall.announce import Announce
from landfall.announcing import announced, ports
from landfall.migration import MiB, migrate, start_migration
from landfall.nic import Nic, nics
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
QUICK = Announce(rounds=3, initial=100, step=1, max=100)
CARDS = nics("e1000", "virtio-net-pci")


@pytest.fixture
def pair(start: Start) -> tuple[VM, VM]:
    """A source whose guest speaks and its destination, each with two network cards."""
    return start(devices=CARDS, announce=QUICK)


def hmp(vm: VM, line: str) -> None:
    """Tell a VM something behind the harness's back."""
    vm.qmp.execute("human-monitor-command", {"command-line": line})


def test_sound_pair_is_kept(pair: tuple[VM, VM], broken: Broken) -> None:
    """Where nothing is planted, nothing is seen."""
    source, destination = pair
    migrate(source, to=destination, via=TCP)

    assert announced(destination) == {"nic0": 3, "nic1": 3}
    assert broken() == {}


def test_cut_cable_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A destination whose card is cut off announces nothing by it, and that is told."""
    source, destination = pair
    hmp(destination, "set_link nic0-net off")

    migrate(source, to=destination, via=TCP)

    said = broken()["wire"]
    assert "nic0 announced the guest 0 times in the time for 3 of 3 announcements" in said
    assert "nic1" not in said


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_frame_that_is_lost_is_seen(pair: tuple[VM, VM], broken: Broken, lost: int) -> None:
    """One frame lost between QEMU and its reader is missed, and filter-dump saw it."""
    source, destination = pair
    migrate(source, to=destination, via=TCP)
    announced(destination)

    del ports(destination)[1].ear.frames[lost]

    said = broken()["wire"]
    assert "nic1 announced the guest 2 times in the time for 3 of 3" in said
    assert "filter-dump saw 3 in all" in said


def test_other_mac_is_seen(start: Start, broken: Broken) -> None:
    """A destination that was given another MAC announces that one, and not the guest's."""
    source, _ = start(devices=nics("e1000"), announce=QUICK)
    other = source.ready_twin("other", devices=(Nic("nic0", "e1000", "52:54:00:aa:bb:cc"),))

    migrate(source, to=other, via=TCP)

    expected = "nic0 announced 52:54:00:aa:bb:cc in 60 bytes; its guest's MAC is 52:54:00:12:34:50"
    assert expected in broken()["wire"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(QUICK, rounds=5), "announced the guest 4 times where 3 were asked for"),
        (replace(QUICK, rounds=2), "announced the guest 2 times in the time for 3 of 3"),
        (replace(QUICK, rounds=0), "announced the guest 0 times in the time for 3 of 3"),
        (replace(QUICK, max=20), "too early"),
        (replace(QUICK, initial=30), "too early"),
        (replace(QUICK, initial=700, max=700), "too late"),
    ],
    ids=["more", "fewer", "none", "capped", "sooner", "later"],
)
def test_parameters_changed_behind_our_back_are_seen(
    pair: tuple[VM, VM], broken: Broken, changed: Announce, words: str
) -> None:
    """A destination that announces more, less, faster or slower than it was told is convicted."""
    source, destination = pair
    for name, value in changed.parameters.items():
        hmp(destination, f"migrate_set_parameter {name} {value}")

    migrate(source, to=destination, via=TCP)

    assert words in broken()["wire"]


def test_frames_held_back_are_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A filter that hands the packets out in batches breaks the law of their times."""
    source, destination = pair
    buffer = {"qom-type": "filter-buffer", "id": "batches", "netdev": "nic0-net"}
    destination.qmp.execute("object-add", {**buffer, "interval": 700_000})

    migrate(source, to=destination, via=TCP)

    assert "on the destination nic0 " in broken()["wire"]


def test_source_that_announces_before_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A source that announces the guest though nobody asked it to is convicted."""
    source, destination = pair
    hmp(source, "announce_self")

    migrate(source, to=destination, via=TCP)

    said = broken()["wire"]
    assert "the source announced the guest by nic0 (52:54:00:12:34:50) although no guest" in said


def test_source_that_announces_afterwards_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A source that has lost its guest and announces it is convicted, even if nothing leaves."""
    source, destination = pair
    migrate(source, to=destination, via=TCP)

    hmp(source, "announce_self")

    assert "although no guest arrived there: 0 packets left" in broken()["wire"]


def test_lost_destination_that_announces_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A destination that announces a guest which never arrived is convicted."""
    source, destination = pair
    migration = start_migration(source, to=destination, via=TCP, bandwidth=8 * MiB)
    migration.wait_until_sent(MiB)

    hmp(destination, "announce_self")
    destination.kill()
    migration.outcome()

    said = broken()["wire"]
    assert "the destination announced the guest by nic1" in said
    assert "although the attempt over tcp failed" in said
