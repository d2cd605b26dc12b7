# SPDX-License-Identifier: Apache-2.0
"""The network follows the guest, and who talks to it goes on.

The promise of the KVM project's Migration page (2009): upon success the destination broadcasts
«I'm over here» packets «to announce the new location of the NICs», and «The guest is not
involved». Here a Linux with its own drivers has its card on a tap of a real bridge: each side's
in a network namespace of its own, with a third host between them that sends the guest datagrams,
one each millisecond as far as it keeps up, and lines over a TCP connection, which it wants back.

The bridge oracle judges: the bridge's entry for the guest's MAC must lead to where the guest
runs, from the moment it runs there; nothing may be said in the guest's name anywhere else; every
line must come back once and in order, over the same connection. What a failure means: the guest's
neighbours lose it, although it runs; or its traffic goes to a host that has it no longer. The
blackout on the wire is measured by the kernel's stamps: `bridge/blackout.json`, `blackout.svg`
and `bridge.pcapng` in the evidence.
"""

from __future__ import annotations

import pytest

from landfall.announce import DEFAULTS
from landfall.attempt import CANCELLED, SLOW
from landfall.device import Device
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Owner
from landfall.faults.fault import Fault
from landfall.faults.phase import DEVICE_STATE, LAST_BYTE, Phase
from landfall.faults.table import cells
from landfall.migration import MiB, carry, migrate, start_migration
from landfall.network.bridge import Bridge
from landfall.network.tap import PLAIN, VNET_HEADER, WiredNic
from landfall.network.voice import Voice
from landfall.transport import EXEC, EXEC_FILE, FILE, TCP, UNIX, Live, Transport
from landfall.vm import VM

THERE_AND_BACK = 2
MANY = 10
"""Migrations whose blackouts are enough for the confidence of a median."""
UNOBTRUSIVE = ",guest_announce=off"
CARDS = [
    pytest.param("virtio-net-pci", PLAIN, id="virtio-net-pci"),
    pytest.param("virtio-net-pci", VNET_HEADER, id="virtio-net-pci-vnet-header"),
    *(pytest.param(model, PLAIN, id=model) for model in ("e1000", "e1000e", "rtl8139")),
    *(
        pytest.param(model, VNET_HEADER, id=f"{model}-vnet-header", marks=pytest.mark.full)
        for model in ("e1000", "e1000e", "rtl8139")
    ),
]
"""A vnet header goes before each frame where the tap has one, and QEMU must put it even before
its own announcements."""
ALL_CARDS = [
    pytest.param(*card.values, id=str(card.id), marks=pytest.mark.full if number else [])
    for number, card in enumerate(CARDS)
]
"""The first in every profile, the others in the profile full."""
FAULTS = [
    pytest.param(
        *met,
        id=f"{met[0]}-{met[1]}",
        marks=[]
        if (met[0].name, met[1]) == ("destination-killed", LAST_BYTE)
        else pytest.mark.full,
    )
    for met in cells(Owner.SOURCE)
    if met[0].name in ("destination-killed", "cancelled") and met[1] in (DEVICE_STATE, LAST_BYTE)
]

pytestmark = pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)
on_any_card = pytest.mark.parametrize(("nic_model", "tap_kind"), CARDS, indirect=True)
on_all_cards = pytest.mark.parametrize(("nic_model", "tap_kind"), ALL_CARDS, indirect=True)


@pytest.fixture
def devices(wired_nic: WiredNic) -> tuple[Device, ...]:
    """A card on the bridge, and nothing else."""
    return (wired_nic,)


@on_any_card
def test_network_follows_the_guest(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """A third host's datagrams and its connection reach the guest on the destination."""
    bridge.talk_to(wired_nic.mac, at=source.name)
    assert bridge.port_of(wired_nic.mac) == source.name

    assert migrate(source, to=destination, via=TCP).status == "completed"

    bridge.await_answers(by=destination.name)
    assert bridge.port_of(wired_nic.mac) == destination.name


@pytest.mark.parametrize(
    "tap_kind",
    [PLAIN, pytest.param(VNET_HEADER, marks=pytest.mark.full)],
    ids=str,
    indirect=True,
)
def test_guest_announces_itself(source: VM, destination: VM, bridge: Bridge) -> None:
    """A virtio guest is asked to announce itself as often as QEMU does, and it does."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    bridge.await_voice(Voice.ARP, by=destination.name, times=DEFAULTS.rounds)

    assert bridge.voices(by=destination.name)[Voice.ARP] == DEFAULTS.rounds
    assert bridge.voices(by=source.name)[Voice.ARP] == 0


@pytest.mark.parametrize("nic_options", [UNOBTRUSIVE], ids=["guest_announce=off"], indirect=True)
def test_silent_guest_is_announced_by_qemu(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """The bridge learns where a guest is that says nothing itself: QEMU speaks for it."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    bridge.await_voice(Voice.RARP, by=destination.name, times=DEFAULTS.rounds)

    assert bridge.voices(by=destination.name)[Voice.ARP] == 0
    assert bridge.port_of(wired_nic.mac) == destination.name


@on_all_cards
def test_network_waits_for_a_stopped_guest(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """The bridge learns where a guest is that arrives stopped when it runs, and not before."""
    bridge.talk_to(wired_nic.mac, at=source.name)
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.holds_the_guest_still
    assert bridge.port_of(wired_nic.mac) == source.name

    destination.cont()

    bridge.await_answers(by=destination.name)
    assert bridge.port_of(wired_nic.mac) == destination.name


@on_all_cards
def test_network_stays_with_a_guest_that_stays(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """The network stays with a guest whose migration was cancelled, and hears nothing of it."""
    bridge.talk_to(wired_nic.mac, at=source.name)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    migration.cancel()
    assert migration.outcome().status in CANCELLED

    bridge.await_answers(by=source.name)
    assert bridge.port_of(wired_nic.mac) == source.name
    assert not bridge.voices(by=destination.name)


@pytest.mark.fault
@pytest.mark.parametrize(("fault", "phase", "cell"), FAULTS)
def test_network_stays_with_a_guest_that_returns(
    source: VM,
    destination: VM,
    bridge: Bridge,
    wired_nic: WiredNic,
    fault: Fault,
    phase: Phase,
    cell: Cell,
) -> None:
    """A guest that had stopped to leave, and could not, answers where it was."""
    bridge.talk_to(wired_nic.mac, at=source.name)

    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    bridge.await_answers(by=source.name)
    assert bridge.port_of(wired_nic.mac) == source.name


@on_all_cards
def test_network_follows_there_and_back(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """The network follows a guest that goes on, and each time finds it again."""
    bridge.talk_to(wired_nic.mac, at=source.name)

    here = carry(source, via=TCP, times=THERE_AND_BACK)

    bridge.await_answers(by=here.name)
    assert bridge.port_of(wired_nic.mac) == here.name


@pytest.mark.parametrize(
    "transport", [EXEC_FILE, pytest.param(FILE, marks=pytest.mark.full)], ids=str
)
def test_network_follows_out_of_a_file(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic, transport: Transport
) -> None:
    """A connection survives a guest that is written to a file and goes on from it elsewhere."""
    bridge.talk_to(wired_nic.mac, at=source.name)

    assert migrate(source, to=destination, via=transport).status == "completed"

    bridge.await_answers(by=destination.name)
    assert bridge.port_of(wired_nic.mac) == destination.name


@pytest.mark.full
@pytest.mark.parametrize("transport", [UNIX, EXEC], ids=str)
def test_network_follows_whatever_the_way(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic, transport: Live
) -> None:
    """The network follows the guest, whichever way its stream took."""
    bridge.talk_to(wired_nic.mac, at=source.name)

    assert migrate(source, to=destination, via=transport).status == "completed"

    bridge.await_answers(by=destination.name)


@pytest.mark.full
@on_any_card
def test_blackout_on_the_wire_is_measured(
    source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic
) -> None:
    """Each of many migrations has its one blackout on the wire, and their figures are told."""
    bridge.talk_to(wired_nic.mac, at=source.name)

    def answered(_left: VM) -> None:
        bridge.await_answers(by=source.stage.vms[-1].name)

    carry(source, via=TCP, times=MANY, leaving=answered)

    assert len(bridge.gaps) == MANY
