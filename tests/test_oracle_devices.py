# SPDX-License-Identifier: Apache-2.0
"""The devices oracle keeps a sound image and convicts a damaged one, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import History, ImageLeft
from landfall.line import Heard
from landfall.oracles import devices
from landfall.record import BLOCK, BROKEN, EMPTY, numbers, record
from landfall.verdict import Verdict
from landfall.watch import Writes
from tests import life

BLOCKS = 4
SOUND = ImageLeft("qcow2", before=(EMPTY,) * BLOCKS, after=(5, 6, 3, 4))
"""Six records on four blocks."""


def disk(seq: int, at: float, **changes: int) -> Heard:
    """Return what a guest says of its disk: it wrote six records and rests, unless changed."""
    values = {
        "blocks": BLOCKS, "rate": 0, "issued": 6, "done": 6, "flushed": 6,
        "checked": 2, "stale": 0, "errors": 0,
    } | changes  # fmt: skip
    pairs = " ".join(f"{key}={value:x}" for key, value in values.items())
    return Heard(life.statement(f"@{seq:x} disk {pairs}"), at)


def left(image: ImageLeft, *heard: Heard) -> History:
    """Return a history of a guest that was moved, its disk, and what it said of that."""
    moved = life.moved()
    said = heard or (disk(52, 1.45, checked=6),)
    return replace(
        life.with_destination(moved, heard=(*moved.sides[1].heard, *said)), images=(image,)
    )


def told(history: History) -> str:
    """Everything that the oracle convicts of; a history that it keeps says nothing."""
    finding = devices.judge(history)
    assert (finding.verdict is Verdict.BROKEN) == bool(finding.observations)
    return " | ".join(observation.text for observation in finding.observations)


def test_record_is_read_back() -> None:
    """A record has its number where it belongs; elsewhere, or cut, it is none."""
    content = record(7, 0) + record(8, 0) + bytes(BLOCK) + record(9, 3)[:-1] + b"x"

    assert numbers(content) == (7, BROKEN, EMPTY, BROKEN)


def test_machine_without_a_disk_is_not_judged() -> None:
    """Where there is no disk the oracle has nothing to see, and is not blind."""
    finding = devices.judge(life.moved())

    assert (finding.verdict, finding.earned) == (Verdict.KEPT, {})


def test_sound_image_is_kept() -> None:
    """An image that holds what the guest flushed, written by its owners, is kept."""
    writes = (Writes("source", 0.2, 0.9), Writes("destination", 1.2, 1.4))

    finding = devices.judge(left(replace(SOUND, writes=writes)))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"blocks_compared": 4, "blocks_checked_after": 6}


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ((5, 6, EMPTY, 4), "block 2 of the image holds nothing, where the guest had written and"),
        ((1, 6, 3, 4), "block 0 of the image holds record 1, where the guest had written and"),
        ((5, BROKEN, 3, 4), "block 1 of the image holds no whole record"),
        ((5, 10, 3, 4), "block 1 of the image holds record 10, where"),
        ((5, 6, 3, 9), "block 3 of the image holds record 9"),
    ],
    ids=["lost", "old", "broken", "never-written", "misplaced"],
)
def test_image_that_differs_is_told(after: tuple[int, ...], words: str) -> None:
    """A block that is not as the guest left it is told, with what it should hold."""
    assert words in told(left(replace(SOUND, after=after)))


def test_record_that_was_not_flushed_may_be_there_or_not() -> None:
    """A guest that was cut off promises what it had flushed, and may have written more."""
    last = disk(52, 1.45, checked=6, rate=0x80, issued=12, done=9, flushed=6)

    assert told(left(replace(SOUND, after=(9, 6, 3, 8)), last)) == ""
    assert "block 0" in told(left(replace(SOUND, after=(1, 6, 3, 8)), last))
    assert "block 0" in told(left(replace(SOUND, after=(10, 6, 3, 8)), last))


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (["source", "destination", "source"], "the destination had begun to write the image when"),
        (["source", "somebody else"], "somebody else, neither side, wrote the image"),
    ],
    ids=["two-sides", "stranger"],
)
def test_writer_without_the_guest_is_told(who: list[str], words: str) -> None:
    """Two sides that write in turn, or somebody else, are told."""
    writes = tuple(Writes(name, 0.2 + n, 0.5 + n) for n, name in enumerate(who))

    assert words in told(left(replace(SOUND, writes=writes)))


def test_destination_that_never_had_the_guest_may_not_write() -> None:
    """A destination whose attempt failed must not have written the image."""
    failed = replace(life.moved().journeys[0], status="failed")
    writes = (Writes("source", 0.2, 0.9), Writes("destination", 1.2, 1.4))
    history = replace(left(replace(SOUND, writes=writes)), journeys=(failed,))

    assert "the destination wrote the image 1.00 s after the first write, and never" in told(
        history
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            Heard(life.statement("@34 block block=2 found=1 expected=fffffffe"), 1.45),
            "on the destination the guest found record 1 in block 2 of its disk, where it had",
        ),
        (disk(52, 1.45, checked=6, errors=2), "2 disk requests failed on the destination"),
    ],
    ids=["stale", "error"],
)
def test_what_the_guest_complains_of_is_told(said: Heard, words: str) -> None:
    """A block that the guest did not leave so, and a request that failed, are told."""
    assert words in told(left(SOUND, said, disk(53, 1.5, checked=6, errors=2)))


def test_request_that_never_ends_is_told() -> None:
    """A disk that answers no request after the guest's arrival is told."""
    waiting = (disk(52 + n, 1.45 + n / 10, checked=6, issued=8, done=6) for n in range(3))

    assert "record 7 was never written" in told(left(SOUND, *waiting))


def test_damaged_image_is_told() -> None:
    """What qemu-img check says is told."""
    image = replace(SOUND, damage="3 corruptions")

    assert "qemu-img check of the qcow2 image: 3 corruptions" in told(left(image))


def test_leaks_are_told_unless_a_qemu_was_killed() -> None:
    """A QEMU that ends in order leaves no leaks; one that is killed may."""
    history = left(replace(SOUND, leaks=2))

    assert "qemu-img check of the qcow2 image: 2 leaks" in told(history)
    assert told(life.with_destination(history, ended_by_us="kill")) == ""


def test_guest_that_read_nothing_afterwards_leaves_the_oracle_blind() -> None:
    """An oracle that saw no block read after the arrival says so."""
    before = life.moved().sides[0].heard
    history = life.with_source(left(SOUND), heard=(*before, disk(40, 1.09, checked=6)))

    finding = devices.judge(history)

    assert finding.verdict is Verdict.UNABLE
    assert "no blocks checked after" in finding.reason
