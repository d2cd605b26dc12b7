# SPDX-License-Identifier: Apache-2.0
"""The network follows the guest."""

from __future__ import annotations

import pytest

from landfall.device import Device
from landfall.migration import migrate
from landfall.network.bridge import Bridge
from landfall.network.tap import PLAIN, VNET_HEADER, WiredNic
from landfall.transport import TCP
from landfall.vm import VM

LINUX = pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)


@pytest.fixture
def devices(wired_nic: WiredNic) -> tuple[Device, ...]:
    """A card on the bridge, and nothing else."""
    return (wired_nic,)


@LINUX
@pytest.mark.parametrize(
    "nic_model", ["virtio-net-pci", "e1000", "e1000e", "rtl8139"], indirect=True
)
@pytest.mark.parametrize("tap_kind", [PLAIN, VNET_HEADER], ids=str, indirect=True)
def test_x(source: VM, destination: VM, bridge: Bridge, wired_nic: WiredNic) -> None:
    """A card."""
    bridge.talk_to(wired_nic.mac)
    assert bridge.port_of(wired_nic.mac) == "source"

    assert migrate(source, to=destination, via=TCP).status == "completed"

    bridge.await_answers()
    assert bridge.port_of(wired_nic.mac) == "destination"
