# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a Linux guest's disk is convicted: by the guest, its kernel, the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landfall.attachment import IDE, VIRTIO_BLK, VIRTIO_SCSI, Attachment
from landfall.build import QemuBuild
from landfall.disk import COPIED, SHARED, THROTTLED, Disk, Use
from landfall.guest import Guest
from landfall.image import RAW, Content, Image
from landfall.migration import migrate
from landfall.record import BLOCK, BROKEN, EMPTY, numbers
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.tree import FILES, first_block, left
from landfall.vm import ANSWER, VM
from landfall.writing import flushed, rest, write_more, written

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
Rig = Callable[..., tuple[VM, VM, Image]]
QUIET = 0
ALIGNED = 1024
"""Bytes of a block of the file system."""
ROUND = 64
GROUP_COUNTS = 1024 * 2 + 12
"""Free blocks and inodes of the first group: the descriptors follow the superblock."""
BARELY, UNBOUND = 1, 1_000_000
SECTOR = 512
"""A record, of eight sectors, counts for as many requests: it takes eight seconds."""
LONG = 200
"""Heartbeats: eight seconds."""


@pytest.fixture
def rig(stage: Stage, build: QemuBuild, start: Start, linux: Guest) -> Rig:
    """Start a pair on a raw image: `rig(Content.FILES)` returns both sides and the image."""

    def started(
        content: Content, use: Use = SHARED, attachment: Attachment = VIRTIO_BLK
    ) -> tuple[VM, VM, Image]:
        image = Image(stage, build, RAW, content)
        disk = Disk("disk", image, use, attachment)
        source, destination = start(guest=linux, memory=linux.memory, devices=(disk,))
        source.set_guest(rate=QUIET)
        return source, destination, image

    return started


def overwrite(path: Path, content: bytes, at: int) -> None:
    """Write to an image's file, past every lock, as nobody may."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def rewritten(old: bytes, new: bytes, steps: int) -> Iterator[tuple[int, str, int]]:
    """Yield where a record lies that was rewritten in place, and the file it is the first of."""
    firsts = {first_block(path): (path, held[0]) for path, held in left(steps).items()}
    for at in range(0, len(new) - BLOCK, ALIGNED):
        for block, (path, now) in firsts.items():
            before = numbers(old[at : at + BLOCK], block)[0]
            if numbers(new[at : at + BLOCK], block) == (now,) and before not in (
                now, EMPTY, BROKEN,
            ):  # fmt: skip
                yield at, path, now


def put_back(image: Image, old: bytes, steps: int) -> tuple[str, int]:
    """Put a record of a file back to what it was; return the file, and what was promised."""
    at, path, promised = next(rewritten(old, image.path.read_bytes(), steps))
    overwrite(image.path, old[at : at + BLOCK], at)
    return path, promised


def limit(vm: VM, requests: int) -> None:
    """Let a VM's throttled disk serve so many requests, of a sector each, a second."""
    value = {"iops-total": requests, "iops-size": SECTOR}
    vm.qmp.execute(
        "qom-set", {"path": "/objects/disk-group", "property": "limits", "value": value}
    )


def test_sound_disk_breaks_nothing(rig: Rig, broken: Broken) -> None:
    """A file system that is shared as it should be breaks nothing, and the rest is exact."""
    source, destination, _image = rig(Content.FILES)
    write_more(source, FILES)

    migrate(source, to=destination, via=TCP)
    said = rest(destination)

    assert said["issued"] == said["done"] == said["flushed"]
    assert broken() == {}


def test_promise_undone_on_the_way_is_found_by_the_guest(rig: Rig, broken: Broken) -> None:
    """A file's record that fsync had promised, and that is its older self on the destination."""
    source, destination, image = rig(Content.FILES)
    write_more(source, FILES)
    flushed(source)
    old = image.path.read_bytes()
    write_more(source, 2 * FILES)
    source.stop()
    migrate(source, to=destination, via=TCP)

    path, promised = put_back(image, old, written(source))
    destination.cont()
    flushed(destination)

    said = broken()["files"]
    assert f"of the file {path}, where it had left record {promised}" in said
    assert "on the destination the guest found record" in said


def test_promise_undone_at_the_end_is_found_on_the_image(rig: Rig, broken: Broken) -> None:
    """What fsync had promised, and nobody has read since, must be on the image."""
    source, destination, image = rig(Content.FILES)
    write_more(source, FILES)
    flushed(source)
    old = image.path.read_bytes()
    write_more(source, 2 * FILES)
    migrate(source, to=destination, via=TCP)
    said = rest(destination)
    destination.stop()

    path, promised = put_back(image, old, said["flushed"])

    told = broken()
    assert f"block 0 of the file {path} holds record" in told["files"]
    assert f"where fsync had promised record {promised} to the guest" in told["files"]
    assert "somebody else, neither side, wrote the image" in told["devices"]


def test_damaged_file_system_is_found(rig: Rig, broken: Broken) -> None:
    """A group descriptor that was overwritten is told in e2fsck's words."""
    source, destination, image = rig(Content.FILES)
    write_more(source, FILES)
    migrate(source, to=destination, via=TCP)
    rest(destination)
    destination.stop()

    overwrite(image.path, b"\xff" * 4, GROUP_COUNTS)

    assert "e2fsck of the disk's file system: " in broken()["files"]


def test_destination_with_a_stale_copy_is_found(rig: Rig, broken: Broken) -> None:
    """A destination that was given a copy of the image has an old disk under a newer guest."""
    source, destination, _image = rig(Content.FILES, COPIED)
    write_more(source, 2 * FILES)

    migrate(source, to=destination, via=TCP)
    flushed(destination)

    assert "on the destination the guest" in broken()["files"]


def test_disk_that_no_longer_answers_is_found(rig: Rig, broken: Broken) -> None:
    """A step that the disk does not let end is told as such: the disk serves a sector a second."""
    source, destination, _image = rig(Content.FILES, THROTTLED)
    write_more(source, FILES)
    migrate(source, to=destination, via=TCP)

    limit(destination, BARELY)
    destination.line.wait_for_beats(LONG, 3 * ANSWER)
    limit(destination, UNBOUND)

    assert (
        "was begun and had not ended 4 s later: the disk answered no request" in broken()["files"]
    )


@pytest.mark.parametrize("attachment", [VIRTIO_SCSI, IDE], ids=str)
def test_block_put_back_on_the_way_is_found(
    rig: Rig, broken: Broken, attachment: Attachment
) -> None:
    """A block that is older than the guest had left it is found behind any controller."""
    source, destination, image = rig(Content.RECORDS, attachment=attachment)
    write_more(source, ROUND)
    old = image.path.read_bytes()[:BLOCK]
    write_more(source, 2 * ROUND)
    source.stop()
    migrate(source, to=destination, via=TCP)

    overwrite(image.path, old, 0)
    destination.cont()
    flushed(destination)

    assert "found record" in broken()["devices"]
