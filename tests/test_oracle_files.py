# SPDX-License-Identifier: Apache-2.0
"""The files oracle keeps what fsync had promised and convicts what differs, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import History, ImageLeft
from landfall.line import Heard
from landfall.oracles import devices, files
from landfall.record import BROKEN
from landfall.tree import FILES, FilesLeft, first_block, left, path_of
from landfall.verdict import Verdict
from landfall.watch import Writes
from tests import life

STEPS = 100
"""Four rounds of all files: each was made, appended to, rewritten; some were removed."""
SOUND = FilesLeft(dict(left(STEPS)))
GONE = next(path_of(f) for f in range(FILES) if path_of(f) not in SOUND.held)
KEPT = next(path for path, held in SOUND.held.items() if len(held) > 1)


def said(seq: int, at: float, **changes: int) -> Heard:
    """Return what a guest says of its files: it made all steps and rests, unless changed."""
    values = {
        "blocks": FILES, "rate": 0, "issued": STEPS, "done": STEPS, "flushed": STEPS,
        "checked": 70, "stale": 0, "errors": 0,
    } | changes  # fmt: skip
    pairs = " ".join(f"{key}={value:x}" for key, value in values.items())
    return Heard(life.statement(f"@{seq:x} files {pairs}"), at)


def complaint(text: str) -> Heard:
    """Return what a guest says of a file."""
    return Heard(life.statement(f"@34 file {text}"), 1.45)


def with_files(found: FilesLeft, *heard: Heard, writes: tuple[Writes, ...] = ()) -> History:
    """Return a history of a guest that was moved, what was on its disk, and what it said."""
    moved = life.moved()
    image = ImageLeft("raw", before=(), after=(), writes=writes, files=found)
    words = heard or (said(52, 1.45),)
    return replace(
        life.with_destination(moved, heard=(*moved.sides[1].heard, *words)), images=(image,)
    )


def held(kept: tuple[int, ...]) -> FilesLeft:
    """Return what was found where one file is otherwise."""
    return FilesLeft({**SOUND.held, KEPT: kept})


def told(history: History) -> str:
    """Everything that the oracle convicts of; a history that it keeps says nothing."""
    finding = files.judge(history)
    assert (finding.verdict is Verdict.BROKEN) == bool(finding.observations)
    return " | ".join(observation.text for observation in finding.observations)


def test_machine_without_a_file_system_is_not_judged() -> None:
    """Where there is no file system the oracle has nothing to see, and is not blind."""
    finding = files.judge(life.moved())

    assert (finding.verdict, finding.earned) == (Verdict.KEPT, {})


def test_what_was_promised_is_kept() -> None:
    """Files that are as all steps have left them are kept, and were compared."""
    finding = files.judge(with_files(SOUND))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"files_compared": FILES, "files_checked_after": 70}


def test_steps_leave_what_a_guest_does() -> None:
    """The first round makes the files whose turn is to be made; a removed one is gone."""
    first, second = left(FILES), left(FILES + 1)

    assert first[path_of(0)] == (1, 1)
    assert first[path_of(1)] == (2,)
    assert path_of(4) not in first
    assert second[path_of(0)] == (1, 1, FILES + 1)
    assert first_block(path_of(5)) == 40


def test_file_that_is_gone_is_told() -> None:
    """A file that fsync had promised and that is not there is told."""
    found = FilesLeft({path: held for path, held in SOUND.held.items() if path != KEPT})

    assert f"the file {KEPT} is not there, which fsync had promised" in told(with_files(found))


@pytest.mark.parametrize(
    ("put", "words"),
    [(3, "holds record 3, where fsync had promised"), (BROKEN, "holds no whole record, where")],
    ids=["old", "broken"],
)
def test_record_that_differs_is_told(put: int, words: str) -> None:
    """A record that is older than was promised, or damaged, is told with its place."""
    found = held((put, *SOUND.held[KEPT][1:]))

    assert f"block 0 of the file {KEPT} {words}" in told(with_files(found))


def test_file_that_is_cut_is_told() -> None:
    """A file that is shorter than was promised is told."""
    found = held(SOUND.held[KEPT][:-1])

    assert f"of the file {KEPT} holds nothing, where fsync had promised" in told(with_files(found))


def test_file_that_came_back_is_told() -> None:
    """A file that was removed and is there again is told, and so is one that was never made."""
    found = FilesLeft({**SOUND.held, GONE: (1,), "new": (7,)})

    text = told(with_files(found))

    assert f"the file {GONE} is there, which the guest had removed" in text
    assert "there is a file new on the disk, where the guest had left none" in text


def test_guest_that_was_cut_off_may_have_done_more() -> None:
    """A guest that did not rest is promised what it had flushed; later steps may show."""
    word = said(52, 1.45, rate=0x20, issued=STEPS - 3, done=STEPS - 4, flushed=STEPS - 4)

    assert told(with_files(SOUND, word)) == ""
    assert "record 3" in told(with_files(held((3, *SOUND.held[KEPT][1:])), word))


def test_damaged_file_system_is_told() -> None:
    """What e2fsck says is told."""
    found = replace(SOUND, damage="Free blocks count wrong (5, counted=6).")

    assert "e2fsck of the disk's file system: Free blocks count wrong" in told(with_files(found))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "name=d1/f5 block=2 found=7 expected=1f text=-",
            "on the destination the guest found record 7 in block 2 of the file d1/f5, where it "
            "had left record 31",
        ),
        (
            "name=rename block=0 found=0 expected=0 text=Read-only%20file%20system",
            "on the destination the guest was told «Read-only file system» at rename",
        ),
    ],
    ids=["stale", "error"],
)
def test_what_the_guest_complains_of_is_told(text: str, words: str) -> None:
    """A file that is not as it was left, and a call that failed, are told."""
    assert words in told(with_files(SOUND, complaint(text), said(53, 1.5)))


def test_step_that_never_ends_is_told() -> None:
    """A step that is under way for seconds after the arrival is told."""
    waiting = [said(52 + n, 1.45 + 2 * n, issued=STEPS + 1, rate=0x20) for n in range(4)]

    assert f"step {STEPS + 1} on the file" in told(with_files(SOUND, *waiting))
    assert told(with_files(SOUND, *waiting[:2])) == ""


def test_guest_that_read_nothing_afterwards_leaves_the_oracle_blind() -> None:
    """An oracle that saw no file read after the arrival says so."""
    history = life.with_source(with_files(SOUND), heard=(said(40, 1.09),))

    finding = files.judge(history)

    assert finding.verdict is Verdict.UNABLE
    assert "no files checked after" in finding.reason


def test_writers_of_a_file_system_are_judged() -> None:
    """Who writes an image without having the guest is told, whatever the image holds."""
    turns = tuple(
        Writes(who, n, n + 0.5) for n, who in enumerate(("source", "destination", "source"))
    )

    finding = devices.judge(with_files(SOUND, writes=turns))

    assert "the destination had begun to write the image" in finding.observations[0].text
    assert devices.judge(with_files(SOUND, writes=turns[:2])).earned == {"writings_heard": 2}
