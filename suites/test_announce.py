# SPDX-License-Identifier: Apache-2.0
"""The network learns where the guest is.

The promise of the KVM project's Migration page (2009): upon success the destination broadcasts
a packet that says «I'm over here» for each of the guest's network cards. QEMU's own words
(qapi/net.json, announce-self): «broadcast RARP frames to update network switches»; how many and
when are the announce parameters of qapi/migration.json. Its documents say that the first one
comes after `announce-initial` ms; net/announce.c sends it at once and waits before the second,
in 4.0 as in 11.1, and that is what is expected here.

Each card's back end ends in a socket that we read, and filter-dump looks on before it; both
sides are heard from their start to their end. The wire oracle judges every frame: its bytes,
its MAC, how many came, when, and that none came from anywhere else. What fails here leaves
switches that go on sending the guest's traffic to the host it has left, or, if a guest that
never arrived was announced, to one that does not have it.
"""

from __future__ import annotations

import pytest

from landfall.announce import Announce
from landfall.announcing import announced, ask_to_announce
from landfall.attempt import CANCELLED, SLOW
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Owner
from landfall.faults.fault import Fault
from landfall.faults.phase import DEVICE_STATE, LAST_BYTE, Phase
from landfall.faults.table import cells
from landfall.migration import MiB, migrate, start_migration
from landfall.netdev import NETDEVS
from landfall.nic import Nic, nics
from landfall.transport import EXEC, EXEC_FILE, FD, FILE, TCP, UNIX, Transport
from landfall.vm import VM

QUICK = Announce(rounds=3, initial=20, step=10, max=30)
"""Over in 50 ms: what QEMU takes 800 ms for by default need not be waited for each time."""
ONE = nics("virtio-net-pci")
TWO = nics("virtio-net-pci", "e1000")
THREE = nics("virtio-net-pci", "e1000e", "rtl8139")
MODELS = [
    pytest.param(
        nics("virtio-net-pci"),
        id="virtio-net-pci",
        marks=[pytest.mark.smoke, pytest.mark.lab],
    ),
    *(pytest.param(nics(model), id=model) for model in ("e1000", "e1000e", "igb", "rtl8139")),
    pytest.param(nics("vmxnet3"), id="vmxnet3"),
    *(
        pytest.param(nics(model), id=model, marks=pytest.mark.full)
        for model in ("pcnet", "ne2k_pci", "tulip", "i82559c")
    ),
]
BACK_ENDS = [pytest.param(nics("e1000", netdev=netdev), id=str(netdev)) for netdev in NETDEVS]
UNOBTRUSIVE = (Nic("nic0", "virtio-net-pci", options=",guest_announce=off"),)
ON_THEIR_MACHINES = [
    pytest.param("pc", nics("rtl8139", "virtio-net-pci"), id="pc"),
    pytest.param("microvm", nics("virtio-net-device"), id="microvm"),
]
LATE = ("destination-killed", "truncated", "corrupted", "cancelled")
"""Faults that are met in every profile, where the destination has nearly all of the guest."""
FAULTS = [
    pytest.param(
        *met,
        (*TWO, *met[0].devices),
        id=f"{met[0]}-{met[1]}-two",
        marks=[]
        if met[0].name in LATE and met[1] in (DEVICE_STATE, LAST_BYTE)
        else [pytest.mark.full],
    )
    for met in cells(Owner.SOURCE)
]
TIMES = [
    Announce(),
    Announce(rounds=1),
    Announce(rounds=4, initial=100, step=1, max=100),
    Announce(rounds=4, initial=20, step=10000, max=60),
    Announce(rounds=3, initial=100000, step=1, max=40),
    Announce(rounds=20, initial=1, step=1, max=10),
]
"""QEMU's own; a single one; even delays; a step and a start that only `max` holds back; many."""

quickly = pytest.mark.parametrize("announce", [QUICK], ids=["quick"], indirect=True)
with_one_card = pytest.mark.parametrize("devices", [ONE], ids=["one"], indirect=True)
with_two_cards = pytest.mark.parametrize("devices", [TWO], ids=["two"], indirect=True)


@quickly
@pytest.mark.parametrize("devices", MODELS, indirect=True)
def test_card_announces_the_guest(source: VM, destination: VM) -> None:
    """A network card of any model announces the guest on the destination, and only there."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == {"nic0": QUICK.rounds}
    assert announced(source) == {"nic0": 0}


@quickly
@pytest.mark.parametrize("devices", BACK_ENDS, indirect=True)
def test_announcement_leaves_by_any_back_end(source: VM, destination: VM) -> None:
    """The announcements leave by whatever back end the card has."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == {"nic0": QUICK.rounds}


@quickly
@pytest.mark.parametrize("devices", [TWO, THREE], ids=["two", "three"], indirect=True)
def test_every_card_announces_itself(source: VM, destination: VM) -> None:
    """Each of several cards announces its own MAC as often as a single one would."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == dict.fromkeys(destination.plugged, QUICK.rounds)
    assert announced(source) == dict.fromkeys(source.plugged, 0)


@quickly
@pytest.mark.parametrize(("machine_type", "devices"), ON_THEIR_MACHINES, indirect=True)
def test_card_announces_the_guest_on_every_machine(source: VM, destination: VM) -> None:
    """Cards announce the guest on any machine type, on PCI or without."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == dict.fromkeys(destination.plugged, QUICK.rounds)


@with_one_card
@pytest.mark.parametrize("announce", TIMES, ids=str, indirect=True)
def test_times_are_those_that_were_set(source: VM, destination: VM, announce: Announce) -> None:
    """How many announcements come, and when, is what the destination was told, or the default."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == {"nic0": announce.rounds}


@with_two_cards
@pytest.mark.parametrize("announce", [Announce(rounds=0)], ids=["none"], indirect=True)
def test_no_rounds_are_no_announcements(source: VM, destination: VM) -> None:
    """A destination that was told to make no announcement makes none."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == {"nic0": 0, "nic1": 0}


@quickly
@pytest.mark.parametrize("devices", [UNOBTRUSIVE], ids=["guest_announce=off"], indirect=True)
def test_qemu_announces_without_the_guest(source: VM, destination: VM) -> None:
    """QEMU announces the guest itself, also where the guest's driver is not asked to."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == {"nic0": QUICK.rounds}


@quickly
@with_one_card
@pytest.mark.parametrize("transport", [UNIX, FD, EXEC, FILE, EXEC_FILE], ids=str)
def test_arrival_by_any_way_is_announced(
    source: VM, destination: VM, transport: Transport
) -> None:
    """A guest is announced where it arrived, live or from a file, whatever brought it."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    assert announced(destination) == {"nic0": QUICK.rounds}
    assert announced(source) == {"nic0": 0}


@quickly
@with_two_cards
@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_stopped_guest_is_announced_when_it_continues(
    source: VM, destination: VM, transport: Transport
) -> None:
    """A guest that arrives stopped is announced when it continues, and not before."""
    source.stop()
    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still
    assert announced(destination) == {"nic0": 0, "nic1": 0}

    destination.cont()

    assert announced(destination) == {"nic0": QUICK.rounds, "nic1": QUICK.rounds}


@quickly
@with_one_card
@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
def test_guest_that_waits_is_announced_when_it_continues(source: VM, destination: VM) -> None:
    """A guest on a destination that was started with -S is announced when it is let go."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.holds_the_guest_still
    assert announced(destination) == {"nic0": 0}

    destination.cont()

    assert announced(destination) == {"nic0": QUICK.rounds}


@with_one_card
def test_stop_between_announcements_delays_the_rest(source: VM, destination: VM) -> None:
    """A guest that is stopped between two announcements makes the rest when it continues."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    destination.stop()
    assert destination.holds_the_guest_still
    destination.cont()

    assert announced(destination) == {"nic0": Announce().rounds}


@quickly
@with_one_card
def test_guest_is_announced_wherever_it_goes(source: VM, destination: VM) -> None:
    """A guest that goes on and on is announced at each of its new homes, and no longer before."""
    third = source.ready_twin("third")

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert announced(destination) == {"nic0": QUICK.rounds}
    assert migrate(destination, to=third, via=UNIX).status == "completed"

    assert announced(third) == {"nic0": QUICK.rounds}
    assert announced(destination) == {"nic0": QUICK.rounds}
    assert announced(source) == {"nic0": 0}


@pytest.mark.fault
@quickly
@pytest.mark.parametrize(("fault", "phase", "cell", "devices"), FAULTS, indirect=["devices"])
def test_guest_that_did_not_leave_is_announced_nowhere(
    source: VM, destination: VM, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """Nobody announces a guest that stays on the source, however late the attempt failed."""
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.owns_the_guest
    assert announced(source) == announced(destination) == {"nic0": 0, "nic1": 0}


@pytest.mark.fault
@quickly
@with_one_card
@pytest.mark.parametrize("model", ["rtl8139", "e1000e"])
def test_refused_guest_is_announced_nowhere(source: VM, model: str) -> None:
    """Nobody announces a guest that the destination could not load: it has another card."""
    other = source.ready_twin("other", devices=nics(model))

    assert migrate(source, to=other, via=TCP).status == "failed"

    assert source.owns_the_guest
    assert announced(source) == announced(other) == {"nic0": 0}


@quickly
@with_one_card
def test_second_try_is_announced(source: VM, destination: VM) -> None:
    """A guest that did not leave at first is announced when it has arrived at last."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    migration.cancel()
    assert migration.outcome().status in CANCELLED
    third = source.ready_twin("third")

    assert migrate(source, to=third, via=TCP).status == "completed"

    assert announced(third) == {"nic0": QUICK.rounds}
    assert announced(source) == {"nic0": 0}


@quickly
@pytest.mark.parametrize("devices", [THREE], ids=["three"], indirect=True)
def test_guest_is_announced_on_demand(source: VM, destination: VM) -> None:
    """announce-self announces the guest where it is, by every card, as often as it was told."""
    ask_to_announce(source, Announce(rounds=4, initial=10, step=5, max=15))
    assert announced(source) == dict.fromkeys(source.plugged, 4)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == dict.fromkeys(source.plugged, QUICK.rounds)
    assert announced(source) == dict.fromkeys(source.plugged, 4)


@quickly
@pytest.mark.parametrize("devices", [THREE], ids=["three"], indirect=True)
def test_guest_is_announced_by_the_cards_named(source: VM, destination: VM) -> None:
    """announce-self that names cards announces the guest by those alone."""
    ask_to_announce(source, QUICK, by=["nic0", "nic2"])
    assert announced(source) == {"nic0": QUICK.rounds, "nic1": 0, "nic2": QUICK.rounds}

    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert announced(destination) == dict.fromkeys(source.plugged, QUICK.rounds)


@quickly
@with_two_cards
def test_guest_is_announced_on_demand_after_it_arrived(source: VM, destination: VM) -> None:
    """announce-self announces a guest that has arrived once more."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    ask_to_announce(destination, Announce(rounds=2, initial=30), by=["nic1"])

    assert announced(destination) == {"nic0": QUICK.rounds, "nic1": QUICK.rounds + 2}
    assert announced(source) == {"nic0": 0, "nic1": 0}
