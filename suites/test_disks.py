# SPDX-License-Identifier: Apache-2.0
"""The guest's disk goes with it, whatever controller its own drivers reach it by.

The requirements of the KVM project's Migration page (2009): «The VM image is accessible on both
source and destination hosts (located on a shared storage, e.g. using nfs)», and that it is best
found on the same path on both for «an image created on top of a base-image». QEMU's document
(docs/devel/migration/main.rst) promises that the guest's state goes with it, requests under way
included: all are drained before the last of it is sent.

The guest is a distribution's Linux. On a disk of records it writes those round and round past its
page cache, some under way at any time; on one with an ext4 file system it makes, replaces,
rewrites and removes files, and fsync has promised it each step. It reads back what it wrote; when
both QEMUs have ended, the image must hold what was flushed, block by block or file by file,
e2fsck and `qemu-img check` must find nothing, and its kernel must have logged no complaint: no
reset, no time-out, no error. What a failure means: a guest that was moved has lost data that it
had been told were safe, or its file system is damaged, or its driver met a device in a state that
no disk is ever in.
"""

from __future__ import annotations

from itertools import product

import pytest

from landfall.attachment import (
    AHCI,
    FIXED_NVME,
    IDE,
    NVME,
    VIRTIO_BLK,
    VIRTIO_SCSI,
    Attachment,
)
from landfall.attempt import CANCELLED, SLOW
from landfall.device import Device
from landfall.disk import DIRECT, THROTTLED, WRITE_THROUGH, Disk, Use
from landfall.image import CHAIN, QCOW2, RAW, Content, Image, Kind
from landfall.locking import may_write
from landfall.migration import carry, migrate, start_migration, try_migration
from landfall.qmp import CommandRefused
from landfall.transport import STORED, TCP, Stored
from landfall.vm import VM
from landfall.writing import flushed, under_way, write_more

SOME = 12
"""Records, or steps on files, that the guest makes."""
TWICE = 2
QUIET = 0
"""Pages a second: what is written is the disk."""
NOBODY = "tcp:127.0.0.1:0"
"""Where nobody can listen."""
RECORDS, FILES = Content.RECORDS, Content.FILES
DIMENSIONS = ("attachment", "image_content", "image_kind")
TELLING = [
    (VIRTIO_BLK, FILES, CHAIN),
    (VIRTIO_SCSI, RECORDS, RAW),
    (IDE, FILES, RAW),
    (NVME, RECORDS, CHAIN),
]
"""Each attachment, kind of image and content once; the profile full has them all."""
ALL = list(product([VIRTIO_BLK, VIRTIO_SCSI, IDE, AHCI, NVME], Content, [RAW, QCOW2, CHAIN]))

Case = tuple[Attachment, Content, Kind]


def cases(*telling: Case, full: list[Case] | None = None) -> pytest.MarkDecorator:
    """Give a scenario its disks: some in every run, the rest in the profile full."""
    rest = [case for case in full or [] if case not in telling]
    given = [pytest.param(*case, id="-".join(map(str, case))) for case in telling]
    given += [
        pytest.param(*case, id="-".join(map(str, case)), marks=pytest.mark.full) for case in rest
    ]
    return pytest.mark.parametrize(DIMENSIONS, given, indirect=True)


@pytest.fixture
def guest_name(request: pytest.FixtureRequest) -> str:
    """A guest with a distribution's drivers."""
    return getattr(request, "param", "linux-64")


@pytest.fixture
def devices(disk: Disk) -> tuple[Device, ...]:
    """A disk, and nothing else."""
    return (disk,)


@cases(*TELLING, full=ALL)
def test_guest_writes_before_during_and_after(source: VM, destination: VM) -> None:
    """A guest that writes its disk while it is moved loses none of it, and writes on."""
    source.set_guest(rate=QUIET)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)

    write_more(source, SOME)
    migration.release()

    assert migration.outcome().status == "completed"
    write_more(destination, SOME)


@pytest.mark.parametrize("image_use", [THROTTLED], ids=str, indirect=True)
@cases(
    (VIRTIO_BLK, RECORDS, RAW),
    (IDE, RECORDS, QCOW2),
    full=[case for case in ALL if case[1] is RECORDS],
)
def test_requests_under_way_are_not_lost(source: VM, destination: VM) -> None:
    """Requests that wait for a slow disk when the guest is stopped end well where it goes on."""
    source.set_guest(rate=QUIET)
    write_more(source, SOME)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert under_way(source) > 0

    write_more(destination, SOME)


@pytest.mark.parametrize("machine_type", ["pc"], indirect=True)
@cases(
    (IDE, RECORDS, CHAIN),
    full=[(a, FILES, RAW) for a in (VIRTIO_BLK, VIRTIO_SCSI, IDE, NVME)],
)
def test_disk_goes_with_the_guest_on_the_older_machine(source: VM, destination: VM) -> None:
    """On a machine of type pc, whose own controller is PIIX IDE, the disk goes along as well."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    write_more(destination, SOME)


@pytest.mark.full
@pytest.mark.parametrize("guest_name", ["linux-32"], indirect=True)
@cases((VIRTIO_BLK, FILES, QCOW2), (IDE, RECORDS, RAW))
def test_disk_goes_with_a_32_bit_guest(source: VM, destination: VM) -> None:
    """A 32-bit Linux keeps its disk."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    write_more(destination, SOME)


@pytest.mark.full
@pytest.mark.parametrize("image_use", [WRITE_THROUGH, DIRECT], ids=str, indirect=True)
@cases((VIRTIO_BLK, FILES, RAW), (VIRTIO_SCSI, FILES, CHAIN), (IDE, RECORDS, QCOW2))
def test_disk_goes_with_the_guest_however_it_is_cached(
    source: VM, destination: VM, image_use: Use
) -> None:
    """Nothing is lost where each write is flushed, or the host caches nothing."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    write_more(destination, SOME)


@cases((VIRTIO_SCSI, FILES, QCOW2), full=ALL)
def test_disk_goes_there_and_back(source: VM) -> None:
    """A disk that goes there and back again is the same disk: every block of it is read."""
    write_more(source, SOME)

    here = carry(source, via=TCP, times=TWICE)

    assert flushed(here)["stale"] == 0
    write_more(here, SOME)


@pytest.mark.fault
@cases((IDE, RECORDS, RAW), (VIRTIO_BLK, FILES, CHAIN), full=ALL)
def test_source_keeps_its_disk_when_cancelled(source: VM, destination: VM, image: Image) -> None:
    """A guest whose migration was cancelled half way keeps its disk, and writes on."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(SLOW // 4)
    write_more(source, SOME)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert may_write(source, image)
    write_more(source, SOME)


@cases((VIRTIO_SCSI, FILES, RAW), full=ALL)
def test_stopped_guest_leaves_its_disk_alone(source: VM, destination: VM, image: Image) -> None:
    """The image of a guest that arrives stopped stays as it is until the guest is continued."""
    write_more(source, SOME)
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"
    as_it_was = image.digest

    assert destination.holds_the_guest_still
    assert image.digest == as_it_was

    destination.cont()
    write_more(destination, SOME)


@pytest.mark.full
@pytest.mark.parametrize("transport", STORED, ids=str)
@cases((VIRTIO_BLK, FILES, CHAIN), (IDE, FILES, QCOW2), (VIRTIO_SCSI, RECORDS, RAW))
def test_disk_waits_for_a_guest_in_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """A guest that is saved to a file finds its disk as it left it."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    write_more(destination, SOME)


@cases((VIRTIO_BLK, FILES, QCOW2), full=[case for case in ALL if case[1] is FILES])
def test_what_fsync_promised_outlives_the_destination(source: VM, destination: VM) -> None:
    """What fsync had promised is on the disk, even when the guest's new QEMU is then killed.

    The file system is left in the middle of a step; its journal makes it whole again.
    """
    assert migrate(source, to=destination, via=TCP).status == "completed"
    write_more(destination, SOME)
    destination.testify()

    destination.kill()


@cases((FIXED_NVME, RECORDS, RAW))
def test_guest_whose_disk_cannot_be_moved_stays(source: VM) -> None:
    """Where QEMU cannot migrate NVMe it says so, and the guest goes on with its disk.

    «State blocked by non-migratable device»: hw/nvme/ctrl.c, `unmigratable` (5.2 to 10.0).
    """
    with pytest.raises(CommandRefused, match="nvme"):
        try_migration(source, NOBODY)

    write_more(source, SOME)
