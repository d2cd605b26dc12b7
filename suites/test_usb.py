"""P."""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.injecting import Hand
from landfall.migration import start_migration
from landfall.transport import TCP
from landfall.usb import *
from landfall.vm import VM

SOME = 10


@pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)
@pytest.mark.parametrize("machine_type", ["q35", "pc"], indirect=True)
@pytest.mark.parametrize(
    "devices",
    [
        pytest.param((UHCI, TABLET), id="uhci"),
        pytest.param((EHCI, TABLET), id="ehci"),
        pytest.param((EHCI, SLOW_TABLET), id="ehci-slow"),
        pytest.param((XHCI, TABLET), id="xhci"),
        pytest.param((NEC_XHCI, TABLET), id="nec"),
        pytest.param((USB_ON, TABLET), id="usbon"),
        pytest.param((OLD_TABLET,), id="old"),
        pytest.param((UHCI, HUB, FAR_TABLET), id="hub"),
        pytest.param((UHCI, MOUSE), id="mouse"),
        pytest.param((UHCI, KEYBOARD), id="kbd"),
        pytest.param((XHCI, TABLET, MOUSE, KEYBOARD), id="all"),
    ],
    indirect=True,
)
def test_x(source: VM, destination: VM) -> None:
    """X."""
    hand = Hand(source)
    hand.move(SOME)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    hand.move(SOME)
    migration.release()
    hand.accompany(migration)
    assert migration.outcome().status == "completed"
    hand.move(SOME)
