# SPDX-License-Identifier: Apache-2.0
"""What was plugged in while the guest ran goes with it: a vCPU, memory; and so does a reset.

The KVM project's Migration page (2009) has the destination started with the same parameters as
the source. A device that was added since is one more parameter there: the destination is started
with it, by the same id, on the same options. How it is added is in docs/system/cpu-hotplug.rst
and docs/memory-hotplug.txt. A guest that resets its machine while it is moved leaves nothing to
quote: the reset is the guest's own doing, and the promise is the usual one, that it «continues
to run on the destination», at whatever point of its boot it was.

The guest's kernel brings on line what is added, as a distribution's does; then a program of ours
runs on the new vCPU, with its clocks and registers watched as on any other, and owns pages in the
new memory, which are checked as all are.

A failure means that a machine which was given more loses what it was given, or dies of it, when
it is moved; or that a guest which was restarted at the wrong moment never comes up again.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.hotplug import DIMM, VCPU, grow, plug_in
from landfall.migration import MiB, migrate, start_migration
from landfall.rebooting import await_boot, reboot
from landfall.transport import EXEC_FILE, TCP
from landfall.vm import VM

MORE = 0x400
"""Pages that the guest owns besides, for which it takes the new memory first."""
BOTH = (VCPU, DIMM)


@pytest.fixture
def cpu() -> str:
    """The model that the vCPU which is plugged in is of."""
    return "qemu64"


@pytest.fixture
def guest_name() -> str:
    """A guest with an operating system."""
    return "linux-64"


@pytest.fixture
def vcpus() -> int:
    """One, to which another can be added."""
    return 1


@pytest.fixture
def append() -> str:
    """Without it the kernel sets 64 MiB aside, where memory may come to lie above 4 GiB."""
    return "swiotlb=512 --"


@pytest.mark.parametrize(
    "machine_type", ["q35", pytest.param("pc", marks=pytest.mark.full)], indirect=True
)
@pytest.mark.parametrize("devices", [pytest.param((VCPU,), id="vcpu")], indirect=True)
def test_hot_added_vcpu_goes_with_the_guest(source: VM, destination: VM) -> None:
    """A vCPU that was added runs on where the guest is, with its registers and its clock."""
    plug_in(source, VCPU)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "machine_type", ["q35", pytest.param("pc", marks=pytest.mark.full)], indirect=True
)
@pytest.mark.parametrize("devices", [pytest.param((DIMM,), id="memory")], indirect=True)
def test_hot_added_memory_goes_with_the_guest(source: VM, destination: VM) -> None:
    """Memory that was added holds what the guest wrote there."""
    plug_in(source, DIMM)
    assert grow(source, MORE)["high"] > 0

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("devices", [pytest.param((VCPU,), id="vcpu")], indirect=True)
def test_nothing_is_added_while_the_guest_is_moved(source: VM, destination: VM) -> None:
    """QEMU refuses to add to a guest that is being moved, and does once the attempt is over.

    system/qdev-monitor.c, «device_add not allowed while migrating».
    """
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    assert VCPU.is_refused_by(source)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    plug_in(source, VCPU)
    assert source.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("devices", [pytest.param(BOTH, id="vcpu-and-memory")], indirect=True)
def test_all_that_was_added_waits_in_a_file(source: VM, destination: VM) -> None:
    """A guest that was given a vCPU and memory, and saved, finds both where it is restored."""
    for device in BOTH:
        plug_in(source, device)
    grow(source, MORE)

    assert migrate(source, to=destination, via=EXEC_FILE).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("devices", [pytest.param((DIMM,), id="memory")], indirect=True)
def test_memory_is_used_where_the_guest_arrives(source: VM, destination: VM) -> None:
    """Memory that was added and not used yet can be used after the move."""
    plug_in(source, DIMM)
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert grow(destination, MORE)["high"] > 0
    assert destination.owns_the_guest


def test_guest_resets_its_machine_while_it_is_moved(source: VM, destination: VM) -> None:
    """A guest that was reset in the midst of a move arrives booting, and comes up there."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    reboot(source)
    migration.release()

    assert migration.outcome().status == "completed"
    await_boot(destination)
    assert destination.owns_the_guest


@pytest.mark.full
def test_guest_boots_anew_before_it_arrives(source: VM, destination: VM) -> None:
    """A guest that was reset and is up again before its move ends arrives as it then is."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    reboot(source)
    await_boot(source)
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
def test_guest_resets_its_machine_where_it_arrived(source: VM, destination: VM) -> None:
    """A guest that was moved can be reset, and boots where it is."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    reboot(destination)
    await_boot(destination)
    assert destination.owns_the_guest
