# SPDX-License-Identifier: Apache-2.0
"""A USB disk that is being read when its guest is moved gives what is on it.

The promise of the KVM project's Migration page (2009): «The guest is not involved». The guest
reads its USB disk without end, block after block past its page cache, and checks each; the
drive lets ten reads a second pass, so that one is under way whenever the VM stops. QEMU waits
for the drive before it writes the VM's state (bdrv_drain_all in do_vm_stop, system/cpus.c);
what the guest has not been given by then must travel.

What a failure means: a guest on a USB disk loses a request, or its disk. A kernel may find
out and try again, after it has reset the device; a guest without that is left with an error.
"""

from __future__ import annotations

import pytest

from landfall.device import Device
from landfall.migration import carry, migrate
from landfall.transport import EXEC_FILE, FILE, TCP, Stored
from landfall.usb import EHCI, NEC_XHCI, UHCI, XHCI, Usb
from landfall.usb_storage import UsbStorage
from landfall.vm import VM

HOPS = 8
full = pytest.mark.full
pytestmark = pytest.mark.parametrize("guest_name", ["linux-64"], indirect=True)
CONTROLLERS = pytest.mark.parametrize(
    "controller",
    [
        pytest.param(UHCI, id="uhci"),
        pytest.param(EHCI, id="ehci", marks=full),
        pytest.param(XHCI, id="xhci"),
        pytest.param(NEC_XHCI, id="nec-xhci", marks=full),
    ],
    indirect=True,
)
NEVER_SHORT = pytest.mark.parametrize(
    "controller",
    [pytest.param(EHCI, id="ehci", marks=full), pytest.param(XHCI, id="xhci", marks=full)],
    indirect=True,
)
FROM_HOST_TO_HOST = pytest.mark.parametrize(
    "controller",
    [pytest.param(EHCI, id="ehci"), pytest.param(XHCI, id="xhci", marks=full)],
    indirect=True,
)


@pytest.fixture
def controller(request: pytest.FixtureRequest) -> Usb:
    """What the disk is on."""
    chosen: Usb = request.param
    return chosen


@pytest.fixture
def devices(controller: Usb, usb_disk: UsbStorage) -> tuple[Device, ...]:
    """A controller and a disk on it."""
    return (controller, usb_disk)


@CONTROLLERS
@pytest.mark.parametrize("machine_type", ["pc", pytest.param("q35", marks=full)], indirect=True)
def test_read_under_way_ends_well(source: VM, destination: VM) -> None:
    """A read that is under way when the guest is moved ends well on the destination."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


@CONTROLLERS
@full
def test_read_of_a_stopped_guest_ends_well(source: VM, destination: VM) -> None:
    """A read that was under way when the guest was stopped ends well when it continues."""
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@NEVER_SHORT
@pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
def test_read_goes_through_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """A read that was under way when the guest was saved ends well where it is loaded."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    assert destination.owns_the_guest


@FROM_HOST_TO_HOST
def test_disk_goes_from_host_to_host(source: VM) -> None:
    """A disk is read on and on while its guest goes from host to host."""
    assert carry(source, via=TCP, times=HOPS).owns_the_guest
