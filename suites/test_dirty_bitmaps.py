# SPDX-License-Identifier: Apache-2.0
"""What was written since the last backup is still known where the guest has gone.

QEMU's documents: docs/interop/bitmaps.rst, «Bitmaps … can be migrated», and qapi/migration.json,
capability dirty-bitmaps: «If enabled, QEMU will migrate named dirty bitmaps». Each bitmap is
compared bit by bit (by QEMU's own digest), and the disk is written to on the destination to see
that it goes on recording; a backup that was begun on one host is continued on the other. A failure
means that the next incremental backup lacks what was written around the move, and nobody knows.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.backup import Backup
from landfall.bitmaps import (
    BITMAPS,
    NODE,
    OTHER,
    Bitmap,
    Blank,
    add,
    expect_none,
    expect_recording,
    expect_same,
    mapped,
    state,
    write,
)
from landfall.device import Device
from landfall.disk import Disk
from landfall.feature import Feature, named
from landfall.image import QCOW2, RAW, Image
from landfall.migration import migrate, restore, save, start_migration
from landfall.refusal import refusal
from landfall.transport import EXEC, EXEC_FILE, FILE, TCP, UNIX, Live, Stored
from landfall.vm import VM
from landfall.writing import rest, write_more

SOME = 16
"""Records that the guest writes on its disk, of a block each."""
FINE, COARSE = Bitmap("fine"), Bitmap("coarse", granularity=1 << 20)
DISABLED = Bitmap("disabled", is_recording=False)
ALL = (FINE, COARSE, DISABLED)
BEFORE, DURING, AFTER = (1, 2, 3, 40, 500), (600, 601), (900, 901, 902)
"""Places, in 64 KiB, that are written to."""
TOO_LONG = "x" * 256
BAD_MAPPINGS = {
    "node-twice": (
        [{"node-name": NODE, "alias": "a", "bitmaps": []}] * 2,
        "mapped",
    ),
    "alias-twice": (
        [
            {"node-name": NODE, "alias": "a", "bitmaps": []},
            {"node-name": "another", "alias": "a", "bitmaps": []},
        ],
        "alias",
    ),
    "bitmap-twice": (
        [{"node-name": NODE, "alias": "a", "bitmaps": [{"name": "b", "alias": "c"}] * 2}],
        "mapped",
    ),
    "alias-too-long": (
        [{"node-name": NODE, "alias": TOO_LONG, "bitmaps": []}],
        "longer than 255",
    ),
    "bitmap-alias-too-long": (
        [{"node-name": NODE, "alias": "a", "bitmaps": [{"name": "b", "alias": TOO_LONG}]}],
        "longer than 255",
    ),
    "alias-empty": (
        [{"node-name": NODE, "alias": "", "bitmaps": []}],
        "not well-formed",
    ),
}


@pytest.fixture
def features(request: pytest.FixtureRequest) -> tuple[Feature, ...]:
    """Bitmaps are sent, unless narrowed."""
    return getattr(request, "param", (BITMAPS,))


@pytest.fixture
def twin_node() -> str:
    """What the node is called on the destination; as on the source unless narrowed."""
    return NODE


@pytest.fixture
def devices(request: pytest.FixtureRequest, twin_node: str) -> tuple[Device, ...]:
    """A block node that nobody uses but we, or the guest's disk."""
    if getattr(request, "param", ""):
        return (request.getfixturevalue("disk"),)
    return (Blank("blank", twin_node),)


@pytest.fixture
def written(source: VM) -> VM:
    """A source whose bitmaps know of some writing; the disabled one does of less."""
    add(source, Bitmap(DISABLED.name))
    write(source, 7)
    source.qmp.execute("block-dirty-bitmap-disable", {"node": NODE, "name": DISABLED.name})
    add(source, FINE)
    add(source, COARSE)
    write(source, *BEFORE)
    return source


def expect_all(source: VM, destination: VM) -> None:
    """Expect every bitmap to be there as it was, and those to record that did."""
    for bitmap in ALL:
        expect_same(state(source, bitmap.name), destination, bitmap.name)
    disabled = state(destination, DISABLED.name)
    expect_recording(destination, (FINE.name, COARSE.name), *AFTER)
    expect_same(disabled, destination, DISABLED.name)


@pytest.mark.parametrize("transport", [TCP, UNIX, EXEC], ids=str)
def test_bitmaps_go_with_the_guest(
    written: VM, source: VM, destination: VM, transport: Live
) -> None:
    """What was written before and during the move is known, and what is written after it."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    write(source, *DURING)
    migration.release()

    assert migration.outcome().status == "completed"
    expect_all(written, destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
def test_bitmaps_wait_in_a_file(
    written: VM, source: VM, destination: VM, transport: Stored
) -> None:
    """A guest that was saved with its bitmaps is loaded with them."""
    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"

    restore(destination, saved)

    expect_all(written, destination)
    assert destination.owns_the_guest


def test_bitmaps_go_with_a_guest_at_rest(written: VM, source: VM, destination: VM) -> None:
    """A guest that stands still takes its bitmaps along, and they record when it goes on."""
    source.stop()
    assert migrate(source, to=destination, via=TCP).status == "completed"
    destination.cont()

    expect_all(written, destination)
    assert destination.owns_the_guest


def test_bitmaps_go_there_and_back(written: VM, source: VM, destination: VM) -> None:
    """A second move takes along what was written after the first."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    expect_recording(destination, (FINE.name, COARSE.name), *DURING)
    back = destination.ready_twin("back")

    assert migrate(destination, to=back, via=UNIX).status == "completed"

    expect_all(destination, back)
    assert back.owns_the_guest


@pytest.mark.parametrize("features", [()], ids=["off"], indirect=True)
def test_bitmaps_stay_where_nobody_asked_for_them(
    written: VM, source: VM, destination: VM
) -> None:
    """Without the capability the destination has no bitmap, and the source has its own."""
    before = state(written, FINE.name)
    assert migrate(source, to=destination, via=TCP).status == "completed"

    expect_none(destination, FINE.name)
    expect_same(before, source, FINE.name)
    assert destination.owns_the_guest


@pytest.mark.parametrize("twin_node", [OTHER])
@pytest.mark.parametrize(
    "features", [(mapped([FINE.name, COARSE.name]),)], ids=named, indirect=True
)
def test_names_may_differ(written: VM, source: VM, destination: VM) -> None:
    """Bitmaps go under aliases to a node of another name, and those not mapped stay behind."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    for bitmap in (FINE, COARSE):
        there = f"my-{bitmap.name}"
        expect_same(state(written, bitmap.name), destination, there, OTHER)
    expect_recording(destination, ("my-fine", "my-coarse"), *AFTER, node=OTHER)
    expect_none(destination, f"my-{DISABLED.name}", OTHER)
    expect_none(destination, DISABLED.name, OTHER)
    assert destination.owns_the_guest


@pytest.mark.parametrize(("mapping", "why"), BAD_MAPPINGS.values(), ids=BAD_MAPPINGS)
def test_mapping_that_means_two_things_is_refused(
    source: VM, mapping: list[object], why: str
) -> None:
    """A mapping by which a node or a bitmap has no name of its own is refused in words."""
    mapped(()).require(source.build)
    said = refusal(source, "migrate-set-parameters", {"block-bitmap-mapping": mapping})

    assert why in said
    assert source.owns_the_guest


@pytest.mark.parametrize("how", ["cancelled", "destination-killed"])
def test_bitmaps_record_on_when_the_move_fails(
    written: VM, source: VM, destination: VM, how: str
) -> None:
    """A source whose guest did not leave has its bitmaps, and the next attempt takes them."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(1 << 16)
    before = {bitmap.name: state(written, bitmap.name) for bitmap in ALL}
    migration.cancel() if how == "cancelled" else destination.kill()
    assert migration.outcome().status in CANCELLED

    for name, was in before.items():
        expect_same(was, source, name)
    expect_recording(source, (FINE.name, COARSE.name), *DURING)
    assert source.owns_the_guest
    another = source.ready_twin("another")
    assert migrate(source, to=another, via=TCP).status == "completed"
    expect_all(source, another)


def test_bitmap_in_use_cannot_be_sent(written: VM, source: VM, destination: VM) -> None:
    """A bitmap that a client of QEMU's reads keeps its guest from leaving until it is free."""
    address = {"type": "unix", "data": {"path": str(source.folder / "nbd.sock")}}
    source.qmp.execute("nbd-server-start", {"addr": address})
    export = {"type": "nbd", "id": "in-use", "node-name": NODE, "bitmaps": [DISABLED.name]}
    source.qmp.execute("block-export-add", export)
    outcome = migrate(source, to=destination, via=TCP)
    assert outcome.status == "failed"

    source.qmp.execute("nbd-server-stop")
    assert source.owns_the_guest
    another = source.ready_twin("another")
    assert migrate(source, to=another, via=TCP).status == "completed"
    expect_all(written, another)


@pytest.fixture
def guests_disk(source: VM, disk: Disk) -> Disk:
    """A disk that the guest writes to."""
    write_more(source, SOME)
    return disk


with_a_disk = pytest.mark.parametrize("devices", ["disk"], indirect=True)


@with_a_disk
@pytest.mark.parametrize("image_kind", [RAW], ids=str, indirect=True)
@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_backup_goes_on_where_the_guest_is(
    source: VM, destination: VM, guests_disk: Disk, image: Image, transport: Live
) -> None:
    """A backup begun on the source and continued on the destination is all of the disk."""
    backup = Backup(source, guests_disk)
    backup.begin(source)
    write_more(source, SOME)
    assert migrate(source, to=destination, via=transport).status == "completed"
    write_more(destination, SOME)
    rest(destination)

    backup.go_on(destination)

    assert backup.content == image.path.read_bytes()
    assert destination.owns_the_guest


@with_a_disk
@pytest.mark.parametrize("image_kind", [QCOW2], ids=str, indirect=True)
def test_bitmap_that_lasts_goes_with_the_guest(
    source: VM, destination: VM, guests_disk: Disk
) -> None:
    """A bitmap that is kept in the image is the destination's, which keeps it there."""
    add(source, Bitmap("lasting", is_persistent=True, node=guests_disk.node))
    write_more(source, SOME)
    rest(source)
    before = state(source, "lasting", guests_disk.node)
    assert migrate(source, to=destination, via=TCP).status == "completed"

    expect_same(before, destination, "lasting", guests_disk.node)
    assert destination.owns_the_guest


@pytest.mark.parametrize("twin_node", [""], ids=["no-node"])
def test_destination_without_the_disk_is_noted(written: VM, source: VM, destination: VM) -> None:
    """What becomes of a bitmap whose disk the destination does not have no document says."""
    outcome = migrate(source, to=destination, via=TCP)

    said = destination.stderr.strip().splitlines()
    source.stage.note(
        f"bitmaps of a disk that the destination does not have: the source says {outcome.status}, "
        f"the destination is {destination.status if destination.alive else 'gone'} and says "
        f"{said[-1] if said else 'nothing'}"
    )
