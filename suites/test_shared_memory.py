# SPDX-License-Identifier: Apache-2.0
"""A guest whose memory both sides map is handed over without it, to another QEMU on its host.

QEMU's documents: qapi/migration.json, x-ignore-shared («If enabled, QEMU will not migrate shared
memory that is accessible on the destination machine»), and docs/devel/migration/CPR.rst for
`mode=cpr-reboot`: the guest is stopped at once, and saved to a file, while another QEMU or
another kernel takes over. A failure means that an update of QEMU under a guest costs the guest.
"""

from __future__ import annotations

import pytest

from landfall.device import Device
from landfall.migration import restore, save, start_migration
from landfall.shared_memory import CPR_REBOOT, IGNORE_SHARED, RamFile, left_memory_where_it_is
from landfall.stage import Stage
from landfall.transport import EXEC, FILE, TCP, UNIX, Live
from landfall.vm import VM

ignoring = pytest.mark.parametrize("features", [(IGNORE_SHARED,)], ids=["ignored"], indirect=True)
rebooting = pytest.mark.parametrize("features", [(CPR_REBOOT,)], ids=["reboot"], indirect=True)


@pytest.fixture
def devices(stage: Stage, memory: int) -> tuple[Device, ...]:
    """Memory in a file that both sides map."""
    return (RamFile("ram-file", stage.host.folder("ram") / "ram", memory),)


@ignoring
@pytest.mark.parametrize("transport", [UNIX, TCP, EXEC], ids=str)
def test_memory_that_is_shared_is_not_sent(source: VM, destination: VM, transport: Live) -> None:
    """A guest continues on the memory that it had, and next to nothing is sent."""
    migration = start_migration(source, to=destination, via=transport)

    assert migration.outcome().status == "completed"
    assert left_memory_where_it_is(migration)
    assert destination.owns_the_guest


@ignoring
def test_guest_at_rest_is_handed_over(source: VM, destination: VM) -> None:
    """A guest that stands still is handed over so as well, and stands still behind it."""
    source.stop()
    migration = start_migration(source, to=destination, via=UNIX)
    assert migration.outcome().status == "completed"
    assert left_memory_where_it_is(migration)
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@ignoring
def test_state_beside_its_memory_is_restored(source: VM, destination: VM) -> None:
    """A file has what is not memory; with the memory that stayed the guest continues."""
    saved = save(source, via=FILE)
    assert saved.outcome().status == "completed"
    assert left_memory_where_it_is(saved)

    restore(destination, saved)
    assert destination.owns_the_guest


@rebooting
def test_guest_outlives_its_qemu(source: VM, destination: VM) -> None:
    """A guest is stopped at once, saved, and continues in a QEMU that finds its memory."""
    saved = save(source, via=FILE)
    assert saved.outcome().status == "completed"
    assert left_memory_where_it_is(saved)
    source.quit()

    restore(destination, saved)
    assert destination.owns_the_guest


@rebooting
def test_guest_at_rest_outlives_its_qemu(source: VM, destination: VM) -> None:
    """One that stood still stands still in the QEMU that has it then."""
    source.stop()
    saved = save(source, via=FILE)
    assert saved.outcome().status == "completed"
    source.quit()

    restore(destination, saved)
    assert destination.status == "paused"

    destination.cont()
    assert destination.owns_the_guest


@rebooting
def test_guest_goes_on_where_its_qemu_stays(source: VM) -> None:
    """Who saved a guest so and does not end it after all lets it go on where it is."""
    saved = save(source, via=FILE)
    assert saved.outcome().status == "completed"

    source.cont()
    assert source.owns_the_guest
