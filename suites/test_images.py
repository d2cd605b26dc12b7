# SPDX-License-Identifier: Apache-2.0
"""The guest's disk goes with it: what it wrote is there, and only its owner writes it.

The requirements of the KVM project's Migration page (2009): «The VM image is accessible on both
source and destination hosts (located on a shared storage, e.g. using nfs)»; the images are best
found on the same path on both, for the migration of a copy-on-write image, «an image created on
top of a base-image»; and «Do not use -snapshot qemu command line option».

The guest writes numbered, checksummed records round its disk from its first moment on, some under
way at any time, and reads back what it wrote. When both QEMUs have ended, the image must hold,
block by block, what the guest had flushed; the kernel tells which side wrote it when;
`qemu-img check` must find nothing. What a failure means: a guest that was moved has lost data that
it had been told were safe, or two QEMUs wrote one image, and its file systems are damaged.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.device import Device
from landfall.disk import COPIED, DIRECT, READ_ONLY, SNAPSHOT, WRITE_THROUGH, Disk, Use
from landfall.faults.attack import attack
from landfall.faults.cell import Cell, Owner
from landfall.faults.fault import Fault
from landfall.faults.phase import Phase
from landfall.faults.table import cells
from landfall.image import CHAIN, KINDS, NBD, QCOW2, RAW, Image, Kind
from landfall.locking import may_write
from landfall.migration import MiB, carry, migrate, start_migration
from landfall.transport import STORED, TCP, UNIX, Stored
from landfall.vm import ANSWER, VM
from landfall.writing import flushed, write_more

ROUND = 64
"""Records that the guest writes on its way round the disk: every block is written again."""
SOME = 16
QUIET = 0
"""Pages a second: what is written is the disk."""
FILES = [RAW, QCOW2, CHAIN]
"""Images that QEMU opens itself, so that it locks them. Over NBD there are no locks: there, that
QEMU lets go of an image before the other side takes it is all that keeps two from writing."""
GIVEN_UP = [
    pytest.param(*cell, id=f"{cell[0]}-{cell[1]}")
    for cell in cells(Owner.SOURCE)
    if (cell[0].name, cell[1].name)
    in {
        ("destination-killed", "first-pass"),
        ("destination-killed", "pre-switchover"),
        ("destination-killed", "device-state"),
        ("destination-killed", "last-byte"),
        ("cancelled", "first-pass"),
        ("cancelled", "pre-switchover"),
    }
]
"""While memory is sent the source has its image; when the rest is sent it has let go of it, and
must take it back."""


def marked(mark: pytest.MarkDecorator, *kinds: Kind) -> list[object]:
    """Give each kind of image its name, and some of them a mark."""
    return [
        pytest.param(kind, id=kind.name, marks=[mark] if kind in kinds else []) for kind in KINDS
    ]


@pytest.fixture
def devices(disk: Disk) -> tuple[Device, ...]:
    """A disk, and nothing else."""
    return (disk,)


@pytest.mark.parametrize("image_kind", marked(pytest.mark.smoke, CHAIN), indirect=True)
def test_disk_goes_with_the_guest(source: VM, destination: VM) -> None:
    """What the guest wrote before it was moved is on its disk, and it goes on writing."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest

    write_more(destination, SOME)


@pytest.mark.parametrize("image_kind", KINDS, ids=str, indirect=True)
def test_guest_writes_before_during_and_after(source: VM, destination: VM) -> None:
    """A guest that writes every block again while it is moved loses none of it."""
    source.set_guest(rate=QUIET)
    write_more(source, SOME)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)

    write_more(source, ROUND)
    migration.release()

    assert migration.outcome().status == "completed"
    write_more(destination, ROUND)


@pytest.mark.parametrize("guest_name", ["pulse-32", "pulse-64"], indirect=True)
@pytest.mark.parametrize("machine_type", ["q35", "pc"], indirect=True)
def test_disk_goes_with_the_guest_on_every_machine(source: VM, destination: VM) -> None:
    """Guests of either width keep their disk, wherever its PCI slot is."""
    assert migrate(source, to=destination, via=UNIX).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("image_use", [WRITE_THROUGH, DIRECT], ids=str, indirect=True)
@pytest.mark.parametrize("image_kind", [RAW, QCOW2], ids=str, indirect=True)
def test_disk_goes_with_the_guest_however_it_is_cached(source: VM, destination: VM) -> None:
    """Nothing is lost where each write is flushed, or the host caches nothing."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("image_kind", FILES, ids=str, indirect=True)
def test_locks_move_with_the_guest(source: VM, destination: VM, image: Image) -> None:
    """The side that has the guest locks the image, and keeps everybody else from it."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)
    assert may_write(source, image)
    assert not may_write(destination, image)
    assert image.refuses_a_third
    migration.release()

    assert migration.outcome().status == "completed"
    assert may_write(destination, image)
    assert not may_write(source, image)
    assert image.refuses_a_third


@pytest.mark.parametrize("image_kind", marked(pytest.mark.full, QCOW2), indirect=True)
def test_stopped_guest_leaves_its_disk_alone(source: VM, destination: VM, image: Image) -> None:
    """The image of a guest that arrives stopped stays as it is until the guest is continued."""
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"
    as_it_was = image.digest

    assert destination.holds_the_guest_still
    assert image.digest == as_it_was

    destination.cont()
    write_more(destination, SOME)


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
@pytest.mark.parametrize("image_kind", marked(pytest.mark.full, QCOW2), indirect=True)
def test_waiting_destination_leaves_the_disk_alone(
    source: VM, destination: VM, image: Image
) -> None:
    """A destination that was started with -S writes nothing before it is continued."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    as_it_was = image.digest

    assert destination.holds_the_guest_still
    assert image.digest == as_it_was

    destination.cont()
    write_more(destination, SOME)


@pytest.mark.parametrize("transport", STORED, ids=str)
@pytest.mark.parametrize("image_kind", [QCOW2, CHAIN], ids=str, indirect=True)
def test_disk_waits_for_a_guest_in_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """A guest that is saved to a file finds its disk as it left it."""
    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.owns_the_guest

    write_more(destination, SOME)


@pytest.mark.parametrize("image_kind", marked(pytest.mark.full, RAW, CHAIN, NBD), indirect=True)
def test_disk_goes_there_and_back(source: VM) -> None:
    """A disk that goes there and back again is the same disk."""
    here = carry(source, via=TCP, times=4)

    write_more(here, SOME)


@pytest.mark.fault
@pytest.mark.parametrize(("fault", "phase", "cell"), GIVEN_UP)
def test_disk_stays_with_a_guest_that_stays(
    source: VM, destination: VM, image: Image, fault: Fault, phase: Phase, cell: Cell
) -> None:
    """The source that keeps the guest keeps its disk, and writes on: nothing was lost."""
    migration = attack(source, destination, fault, phase, cell)

    assert migration.outcome().status in cell.statuses
    assert source.owns_the_guest
    assert may_write(source, image)
    write_more(source, ROUND)


@pytest.mark.parametrize("image_kind", FILES, ids=str, indirect=True)
def test_what_was_flushed_outlives_the_destination(source: VM, destination: VM) -> None:
    """What the guest had flushed is in the image, even when its new QEMU is then killed."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    destination.line.wait_for_beats(SOME, ANSWER)
    destination.verify_memory()
    flushed(destination)

    destination.kill()


@pytest.mark.parametrize("image_use", [READ_ONLY], ids=str, indirect=True)
@pytest.mark.parametrize("image_kind", marked(pytest.mark.full, QCOW2, NBD), indirect=True)
def test_read_only_disk_goes_with_the_guest(source: VM, destination: VM, image: Image) -> None:
    """A disk that is read-only can be read on both sides, and nobody changes it."""
    as_it_was = image.digest
    flushed(source)
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert flushed(destination)["stale"] == 0
    assert not may_write(destination, image)
    assert image.digest == as_it_was


@pytest.mark.parametrize("image_use", [SNAPSHOT, COPIED], ids=str, indirect=True)
@pytest.mark.parametrize("image_kind", [RAW, QCOW2], ids=str, indirect=True)
def test_disk_that_is_not_shared_is_left_behind(
    source: VM, destination: VM, image_use: Use
) -> None:
    """What a guest wrote where only the source can read it is seen to be missing."""
    flushed(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    source.stage.note(f"the sides share no disk: {image_use}", at_own_risk=True)

    assert flushed(destination)["stale"] > 0
