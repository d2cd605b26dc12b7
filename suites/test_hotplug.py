# SPDX-License-Identifier: Apache-2.0
"""What was plugged in while the guest ran goes with it: vCPUs, memory; so does its boot.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.device import Device
from landfall.hotplug import DIMM, VCPU, HotAdded, grow, plug_in
from landfall.migration import MiB, migrate, start_migration
from landfall.rebooting import await_boot, reboot
from landfall.transport import TCP
from landfall.vm import VM

MORE = 0x400


@pytest.fixture
def guest_name() -> str:
    """A guest with an operating system."""
    return "linux-64"


@pytest.fixture
def vcpus() -> int:
    """One, to which another can be added."""
    return 1


@pytest.mark.parametrize("devices", [(VCPU,)], ids=["vcpu"], indirect=True)
def test_hot_added_vcpu_goes_with_the_guest(source: VM, destination: VM) -> None:
    """x."""
    plug_in(source, VCPU)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("devices", [(DIMM,)], ids=["dimm"], indirect=True)
def test_hot_added_memory_goes_with_the_guest(source: VM, destination: VM) -> None:
    """x."""
    plug_in(source, DIMM)
    assert grow(source, MORE)["high"] > 0

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_guest_that_reboots_while_it_is_moved(source: VM, destination: VM) -> None:
    """x."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    reboot(source)
    migration.release()

    assert migration.outcome().status == "completed"
    await_boot(destination)
    assert destination.owns_the_guest
