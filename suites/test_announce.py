# SPDX-License-Identifier: Apache-2.0
"""The network learns where the guest is.
"""

from __future__ import annotations

import pytest

from landfall.announcing import announced
from landfall.migration import migrate
from landfall.nic import nics
from landfall.transport import TCP
from landfall.vm import VM
from landfall.announce import Announce

@pytest.mark.parametrize("devices", [nics("virtio-net-pci"), nics("e1000","rtl8139")], ids=["v","er"], indirect=True)
@pytest.mark.parametrize("announce", [Announce(), Announce(3,10,10,20)], ids=str, indirect=True)
def test_x(source: VM, destination: VM) -> None:
    """X."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert announced(destination) == dict.fromkeys(destination.plugged, destination.machine.announce.rounds)
    assert set(announced(source).values()) == {0}
