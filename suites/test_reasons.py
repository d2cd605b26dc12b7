# SPDX-License-Identifier: Apache-2.0
"""Who asks why a guest was not moved is told why.

The KVM project's Migration page (2009) has `info migrate` say «failed», and no more. Today
`migrate` is refused with a reason where something cannot be moved at all, `query-migrate` lists
such reasons beforehand (`blocked-reasons`, 6.0), and after a failure it has a «human readable
error description string» (`error-desc`; qapi/migration.json). `-only-migratable` refuses the
machine itself (qemu-options.hx).

A failure means that who has to find out why a guest stays where it is has nothing to go by.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from landfall.attempt import SLOW
from landfall.build import QemuBuild
from landfall.device import Device, Hardware
from landfall.errors import HarnessError, Missing
from landfall.migration import MiB, migrate, start_migration, try_migration
from landfall.qmp import CommandRefused
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

UNPLUG = 5.0
"""Seconds a USB device is given to be gone: it does not ask the guest."""
NOBODY = "tcp:127.0.0.1:0"
"""Where nobody can listen."""


@dataclass(frozen=True)
class Blocker(Hardware):
    """A device that keeps its machine where it is."""

    reason: str = ""
    """What QEMU calls it."""


PEER = Blocker(
    "ivshmem-peer",
    (
        "-object",
        "memory-backend-ram,id=shared,size=1M,share=on",
        "-device",
        "ivshmem-plain,memdev=shared",
    ),
    reason="'peer mode' in device 'ivshmem'",
)
"""A device that forbids it when it is made (hw/misc/ivshmem.c, migrate_add_blocker)."""
PHONE = Blocker(
    "usb-mtp",
    ("-device", "qemu-xhci", "-device", "usb-mtp,id=phone,rootdir=/"),
    reason="usb-mtp",
)
"""A device whose state is declared not to be migratable (hw/usb/dev-mtp.c, unmigratable)."""
ONLY_MIGRATABLE = Hardware("only-migratable", ("-only-migratable",))
BLOCKERS = [pytest.param((device,), id=device.name) for device in (PEER, PHONE)]


@pytest.fixture
def machine_type() -> str:
    """A machine with PCI."""
    return "q35"


@pytest.fixture
def blocker(devices: tuple[Device, ...]) -> Blocker:
    """The device that keeps the machine where it is."""
    [device] = devices
    assert isinstance(device, Blocker)
    return device


def blocked_reasons(vm: VM) -> str:
    """Return what keeps a guest where it is, as query-migrate has it; raises Missing."""
    require_reasons(vm.build)
    return "; ".join(vm.qmp.execute("query-migrate").get("blocked-reasons", ()))


def require_reasons(build: QemuBuild) -> None:
    """Raise Missing where query-migrate knows no reasons."""
    if "blocked-reasons" not in build.migration_info:
        raise Missing(f"{build} ({build.name}) has no blocked-reasons; QEMU 6.0 and later have")


def unplug(device: str, vm: VM) -> None:
    """Take a device away and wait until it is gone."""
    vm.qmp.execute("device_del", {"id": device})
    vm.stage.bell.wait(
        lambda: any(event.data.get("device") == device for event in vm.qmp.events),
        within=UNPLUG,
        what=f"the {vm}'s {device} to be gone",
    )


@pytest.mark.parametrize("devices", BLOCKERS, indirect=True)
def test_guest_that_cannot_be_moved_stays_and_the_reason_is_told(
    source: VM, blocker: Blocker
) -> None:
    """A machine that cannot be moved is not: `migrate` says what keeps it, and the guest runs."""
    with pytest.raises(CommandRefused, match=blocker.reason):
        try_migration(source, NOBODY)

    assert source.owns_the_guest


@pytest.mark.parametrize("devices", BLOCKERS, indirect=True)
def test_reason_is_known_beforehand(source: VM, blocker: Blocker) -> None:
    """What will keep a machine where it is can be asked before anything is tried."""
    assert blocker.reason in blocked_reasons(source)
    assert source.owns_the_guest


@pytest.mark.parametrize("devices", [(PHONE,)], ids=["usb-mtp"], indirect=True)
def test_reason_goes_with_its_device(source: VM, destination: VM) -> None:
    """When the device that kept it is unplugged, on both sides, the guest can be moved."""
    unplug("phone", source)
    unplug("phone", destination)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("devices", BLOCKERS, indirect=True)
def test_machine_is_refused_where_only_migratable_ones_are_wanted(
    source: VM, blocker: Blocker
) -> None:
    """With -only-migratable such a machine does not even start, and QEMU says why."""
    with pytest.raises(HarnessError, match="only-migratable"):
        source.ready_twin("choosy", devices=(blocker, ONLY_MIGRATABLE))

    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_reason_of_a_broken_migration_is_told(
    source: VM, destination: VM, transport: Live
) -> None:
    """When the destination dies, `error-desc` says what became of the stream.

    In whatever words: «Connection reset by peer» (11.1), «Channel error: Input/output error»
    (10.0, 11.1), «Unable to write to socket: Bad file descriptor» (5.2, 7.2) were measured.
    """
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert migration.outcome().error
    assert source.owns_the_guest


def test_reason_of_the_last_failure_is_gone_after_a_success(source: VM, destination: VM) -> None:
    """A migration that failed may be tried again; when it succeeds, the reason is gone."""
    failed = try_migration(source, NOBODY).outcome()
    succeeded = migrate(source, to=destination, via=TCP)

    assert failed.status == "failed"
    assert "Connection refused" in failed.error
    assert succeeded.status == "completed"
    assert succeeded.error == ""
    assert destination.owns_the_guest
