# SPDX-License-Identifier: Apache-2.0
"""The guest's disk is on both hosts, in whichever way the storage is shared, or is copied there.

The requirements of the KVM project's Migration page (2009): «The VM image is accessible on both
source and destination hosts (located on a shared storage, e.g. using nfs)». QEMU's own document
of live block operations (docs/interop/live-block-operations.rst) has the other way, «live storage
migration with drive-mirror + NBD»: the destination exports an empty disk by NBD, the source
mirrors its own to it, and the guest goes when both are alike.

The image lies in a folder that both hosts see; or in one that a server of NFS exports to QEMU's
own nfs driver; or is served by NBD from a third host, or from the source's; or each host has one
of its own. Page caches do not count with the drivers for NFS and NBD: they go past each host's,
so that cache=none, which a *mounted* NFS needs for a migration, is not asked for (and is tried).
The guest writes before, during and after. In the end the image it ended on must hold, block by
block or file by file, what it had flushed. What a failure means: a guest that was moved has lost
data that it had been told were safe, or one that stayed has lost its disk to a copy that failed.
"""

from __future__ import annotations

from itertools import product

import pytest

from landfall.attachment import AHCI, NVME, VIRTIO_BLK, VIRTIO_SCSI, Attachment
from landfall.attempt import CANCELLED, SLOW
from landfall.device import Device
from landfall.disk import DIRECT, Disk
from landfall.image import QCOW2, RAW, Content, Kind
from landfall.migration import carry, migrate, start_migration
from landfall.mirroring import start_mirror, start_moving
from landfall.storage import (
    MIRRORED,
    NBD_ON_SOURCE,
    NBD_ON_THIRD,
    NFS,
    PLACES,
    SHARED_PATH,
    Place,
)
from landfall.transport import TCP
from landfall.vm import ANSWER, VM
from landfall.writing import flushed, write_more

SOME = 16
ROUND = 64
"""Records that the guest writes on its way round the disk: every block is written again."""
QUIET = 0
"""Pages a second: what is written is the disk."""
CRAWL = 64 << 10
"""Bytes a second: so fast a disk is copied that is still being written."""
TWICE = 2
LINUX = "linux-64"
CONTROLLERS = [VIRTIO_BLK, VIRTIO_SCSI, AHCI, NVME]
SERVED = (NFS, NBD_ON_THIRD, NBD_ON_SOURCE)
EVERYWHERE = list(product([RAW, QCOW2], PLACES))

Case = tuple[Kind, Place]


def places(*telling: Place, full: tuple[Place, ...] = ()) -> pytest.MarkDecorator:
    """Give a scenario its places: some in every run, others in the profile full."""
    given = [pytest.param(place, id=place.name) for place in telling]
    given += [pytest.param(place, id=place.name, marks=pytest.mark.full) for place in full]
    return pytest.mark.parametrize("image_place", given, indirect=True)


def kinds_and_places(*full: Case) -> pytest.MarkDecorator:
    """Give a scenario raw images in every place, and others in the profile full."""
    given = [
        pytest.param(kind, place, id=f"{kind}-{place}", marks=pytest.mark.full)
        if (kind, place) in full
        else pytest.param(kind, place, id=f"{kind}-{place}")
        for kind, place in EVERYWHERE
    ]
    return pytest.mark.parametrize(("image_kind", "image_place"), given, indirect=True)


@pytest.fixture
def image_kind(request: pytest.FixtureRequest) -> Kind:
    """A raw image unless narrowed: it is full of records, so that what is lost shows."""
    return getattr(request, "param", RAW)


@pytest.fixture
def devices(disk: Disk) -> tuple[Device, ...]:
    """A disk, and nothing else."""
    return (disk,)


@kinds_and_places(*((QCOW2, place) for place in PLACES if place is not NFS))
def test_disk_is_there_when_the_guest_is(source: VM, destination: VM) -> None:
    """A guest that writes every block again while it is moved finds its disk where it arrives."""
    source.set_guest(rate=QUIET)
    write_more(source, SOME)
    moving = start_moving(source, to=destination, via=TCP, bandwidth=SLOW)

    write_more(source, ROUND)
    moving.release()

    assert moving.outcome().status == "completed"
    flushed(destination)
    write_more(destination, ROUND)


@pytest.mark.parametrize("image_content", [Content.FILES], ids=str, indirect=True)
@pytest.mark.parametrize("guest_name", [LINUX], indirect=True)
@places(NFS, MIRRORED, full=(SHARED_PATH, NBD_ON_THIRD, NBD_ON_SOURCE))
def test_file_system_is_there_when_the_guest_is(source: VM, destination: VM) -> None:
    """A Linux guest's file system is whole where it arrives, and fsync has kept its promises."""
    source.set_guest(rate=QUIET)
    moving = start_moving(source, to=destination, via=TCP, bandwidth=SLOW)

    write_more(source, SOME)
    moving.release()

    assert moving.outcome().status == "completed"
    write_more(destination, SOME)


@pytest.mark.full
@pytest.mark.parametrize("guest_name", [LINUX], indirect=True)
@pytest.mark.parametrize("attachment", CONTROLLERS, ids=str, indirect=True)
@places(*PLACES)
def test_disk_is_there_by_every_controller(
    source: VM, destination: VM, attachment: Attachment
) -> None:
    """Whatever controller a Linux guest's own driver reaches its disk by, the disk is there."""
    moving = start_moving(source, to=destination, via=TCP)

    assert moving.outcome().status == "completed"
    write_more(destination, SOME)


@places(NBD_ON_SOURCE, full=(NFS, NBD_ON_THIRD, MIRRORED))
def test_disk_outlives_the_source(source: VM, destination: VM) -> None:
    """The guest keeps its disk when the QEMU that it has left ends, on the same host or not."""
    assert start_moving(source, to=destination, via=TCP).outcome().status == "completed"

    source.quit()

    assert flushed(destination)["stale"] == 0
    write_more(destination, ROUND)


@pytest.mark.full
@places(*PLACES)
def test_what_was_flushed_outlives_the_destination(source: VM, destination: VM) -> None:
    """What the guest had flushed where it arrived is there, though its QEMU is then killed."""
    assert start_moving(source, to=destination, via=TCP).outcome().status == "completed"
    destination.line.wait_for_beats(SOME, ANSWER)
    destination.verify_memory()
    flushed(destination)

    destination.kill()


@pytest.mark.full
@pytest.mark.parametrize("image_use", [DIRECT], ids=str, indirect=True)
@places(NFS, NBD_ON_THIRD)
def test_disk_goes_with_the_guest_uncached(source: VM, destination: VM) -> None:
    """Nothing is lost with cache=none, as a mounted NFS needs it, in QEMU's own drivers."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    write_more(destination, ROUND)


@pytest.mark.full
@places(*SERVED)
def test_disk_goes_there_and_back(source: VM) -> None:
    """A disk that is served is the same disk when the guest has been there and come back."""
    write_more(source, SOME)

    here = carry(source, via=TCP, times=TWICE)

    assert flushed(here)["stale"] == 0
    write_more(here, SOME)


@places(MIRRORED)
def test_guest_writes_while_its_disk_is_copied(source: VM, destination: VM) -> None:
    """What a guest writes before all of its disk has been copied is in the copy as well."""
    mirror = start_mirror(source, to=destination, speed=CRAWL)
    write_more(source, ROUND)
    assert not mirror.is_ready
    mirror.release()
    mirror.wait_until_ready()
    write_more(source, ROUND)
    source.stop()
    mirror.end()

    assert migrate(source, to=destination, via=TCP).status == "completed"

    destination.cont()
    assert flushed(destination)["stale"] == 0


@pytest.mark.fault
@places(MIRRORED)
def test_source_keeps_its_disk_when_the_copy_is_lost(source: VM, destination: VM) -> None:
    """A guest whose disk was being copied to a destination that is killed has lost nothing.

    The mirror ends with an error, and the guest is not told of it («report», QEMU's default of
    on-target-error); another destination gets all of it.
    """
    mirror = start_mirror(source, to=destination)
    mirror.wait_until_ready()
    write_more(source, SOME)
    destination.kill()
    write_more(source, ROUND)
    assert mirror.await_its_end()
    mirror.give_up()

    fresh = source.ready_twin()
    assert start_moving(source, to=fresh, via=TCP).outcome().status == "completed"
    assert flushed(fresh)["stale"] == 0


@pytest.mark.fault
@places(MIRRORED)
def test_source_keeps_its_disk_when_cancelled(source: VM, destination: VM) -> None:
    """A guest whose migration is cancelled when its disk had been copied goes on with its own."""
    source.set_guest(rate=QUIET)
    mirror = start_mirror(source, to=destination)
    mirror.wait_until_ready()
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW, waits=True)
    write_more(source, SOME)
    migration.cancel()

    assert migration.outcome().status in CANCELLED
    mirror.give_up()
    assert source.owns_the_guest
    write_more(source, ROUND)
