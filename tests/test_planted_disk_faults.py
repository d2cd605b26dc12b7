# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a disk on real QEMU is convicted: lost, old, foreign and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.disk import COPIED, SHARED, SNAPSHOT, Disk, Use
from landfall.image import CHAIN, NBD, QCOW2, RAW, Image, Kind
from landfall.locking import may_write
from landfall.migration import MiB, migrate, start_migration
from landfall.record import BLOCK
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.vm import VM
from landfall.writing import flushed, rest, write_more

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
Rig = Callable[..., tuple[VM, VM, Image]]
SLOW = 2 * MiB
ROUND = 64
HIT = 7
"""The block that is damaged."""


@pytest.fixture
def rig(stage: Stage, build: QemuBuild, start: Start) -> Rig:
    """Start a pair on an image: `rig(RAW, SNAPSHOT)` returns both sides and the image."""

    def started(kind: Kind, use: Use = SHARED) -> tuple[VM, VM, Image]:
        image = Image(stage, build, kind)
        source, destination = start(devices=(Disk("disk", image, use),))
        write_more(source, ROUND)
        return source, destination, image

    return started


def overwrite(path: Path, content: bytes, at: int) -> None:
    """Write to an image's file, past every lock, as nobody may."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.mark.parametrize("kind", [RAW, QCOW2, CHAIN, NBD], ids=str)
def test_sound_disk_breaks_nothing(rig: Rig, broken: Broken, kind: Kind) -> None:
    """A disk that is shared as it should be breaks nothing, and the guest's rest is exact."""
    source, destination, _image = rig(kind)

    migrate(source, to=destination, via=TCP)
    said = rest(destination)

    assert said["issued"] == said["done"] == said["flushed"]
    assert broken() == {}


@pytest.mark.parametrize("content", [bytes(BLOCK), None], ids=["lost", "old"])
def test_block_lost_on_the_way_is_seen(rig: Rig, broken: Broken, content: bytes | None) -> None:
    """A block that is empty, or older than it was, is found by the guest and in the image."""
    source, destination, image = rig(RAW)
    old = image.path.read_bytes()[HIT * BLOCK : (HIT + 1) * BLOCK]
    write_more(source, 2 * ROUND)
    source.stop()
    migrate(source, to=destination, via=TCP)

    overwrite(image.path, old if content is None else content, HIT * BLOCK)
    destination.cont()
    flushed(destination)

    assert f"in block {HIT} of its disk, where it had left record" in broken()["devices"]


def test_block_lost_at_the_end_is_seen(rig: Rig, broken: Broken) -> None:
    """What the guest had flushed and nobody read since must be in the image."""
    source, destination, image = rig(RAW)
    migrate(source, to=destination, via=TCP)
    rest(destination)
    destination.stop()

    overwrite(image.path, bytes(BLOCK), HIT * BLOCK)

    said = broken()["devices"]
    assert f"block {HIT} of the image holds nothing, where the guest had written" in said
    assert "somebody else, neither side, wrote the image" in said


def test_destination_that_writes_early_is_seen(rig: Rig, broken: Broken) -> None:
    """A destination whose QEMU writes the image while the source has the guest is seen."""
    source, destination, _image = rig(RAW)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    # By its own path of the image: QEMU itself does not outlive being told to write an image
    # that is the other side's (HMP's qemu-io on a waiting 10.0 hangs up).
    door = json.loads(destination.plugged["disk"].argv[1])["file"]["filename"]
    overwrite(Path(door), bytes(BLOCK), HIT * BLOCK)
    write_more(source, ROUND)
    migration.release()
    migration.outcome()

    assert "the destination had begun to write the image when the source" in broken()["devices"]


def test_damaged_qcow2_is_seen(rig: Rig, broken: Broken) -> None:
    """A qcow2 image whose reference counts are gone is convicted by qemu-img check."""
    source, destination, image = rig(QCOW2)
    migrate(source, to=destination, via=TCP)
    rest(destination)
    destination.stop()

    table = int.from_bytes(image.path.read_bytes()[48:56], "big")
    counts = int.from_bytes(image.path.read_bytes()[table : table + 8], "big")
    overwrite(image.path, bytes(64), counts)

    said = broken()["devices"]
    assert "qemu-img check of the qcow2 image: " in said
    assert "corruptions" in said


@pytest.mark.parametrize("use", [SNAPSHOT, COPIED], ids=str)
def test_disk_that_is_not_shared_is_seen(rig: Rig, broken: Broken, use: Use) -> None:
    """What was written where the destination cannot read it is missed there, and in the image."""
    source, destination, _image = rig(RAW, use)

    migrate(source, to=destination, via=TCP)
    flushed(destination)

    assert "on the destination the guest found record 0 in block" in broken()["devices"]


def test_disk_that_fails_is_seen(rig: Rig, broken: Broken) -> None:
    """Requests that fail, here because the server is gone, are counted against the disk."""
    source, destination, image = rig(NBD)
    migrate(source, to=destination, via=TCP)

    image.finish()
    rest(destination)

    assert "disk requests failed on the destination" in broken()["devices"]


def test_locks_tell_who_has_the_image(rig: Rig) -> None:
    """The write lock is the source's, then the destination's, and a third is kept out."""
    source, destination, image = rig(RAW)
    before = (may_write(source, image), may_write(destination, image), image.refuses_a_third)

    migrate(source, to=destination, via=TCP)

    assert before == (True, False, True)
    assert (may_write(source, image), may_write(destination, image)) == (False, True)
    destination.kill()
    source.kill()
    assert not image.refuses_a_third
