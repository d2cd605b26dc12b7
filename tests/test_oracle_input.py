# SPDX-License-Identifier: Apache-2.0
"""The oracles of input devices and of the USB disk, on histories made up and then damaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

import pytest

from landfall.gesture import InputLeft, Sent
from landfall.history import History
from landfall.line import Heard
from landfall.oracles import hand, reads
from landfall.usb_storage import ReadLeft
from landfall.verdict import Finding, Verdict
from tests.life import event, moved, statement, with_destination, with_source

CALLED = "QEMU QEMU USB Tablet"
OTHER = "ImExPS/2 Generic Explorer Mouse"
BEFORE, AFTER = (0.3, 0.35, 0.4), (1.3, 1.35, 1.4)
"""When gestures are made; the guest sees each 10 ms later."""
SEEN_AFTER = 0.01


def place(number: int) -> dict[str, int]:
    """Return the place of a gesture."""
    return {"x": 100 * number, "y": 7 * number, "buttons": number % 2}


def sent(number: int, at: float, *, taken: bool = True) -> Sent:
    """Return a gesture."""
    return Sent(number, place(number), at, taken)


def told(at: float, words: str, seq: int = 0x1000) -> Heard:
    """Return a statement of the guest."""
    return Heard(statement(f"@{seq:x} {words}"), at)


def found(dev: int, name: str, times: int = 1, at: float = 0.1) -> Heard:
    """Return that the guest found an input device."""
    return told(at, f"input dev={dev} bus=3 times={times} name={quote(name)} phys=-")


def report(number: int, at: float, dev: int = 1) -> Heard:
    """Return what the guest tells of a gesture."""
    held = " ".join(f"{key}={value:x}" for key, value in place(number).items())
    return told(at, f"event dev={dev} at=0 {held}")


def pointed(
    here: Sequence[Heard] = (), there: Sequence[Heard] | None = None, more: Sequence[Sent] = ()
) -> History:
    """Return the life of a guest whose tablet was moved before it was, and after."""
    source, destination = moved().sides
    early = [sent(n, at) for n, at in enumerate(BEFORE, 1)]
    late = [sent(n, at) for n, at in enumerate(AFTER, len(BEFORE) + 1)]
    at_first = [report(one.number, one.at + SEEN_AFTER) for one in early]
    at_last = [report(one.number, one.at + SEEN_AFTER) for one in late]
    history = with_source(
        moved(),
        heard=(found(0, OTHER), found(1, CALLED), *source.heard, *at_first, *here),
        left=(InputLeft("tablet", CALLED, (*early, *more)),),
    )
    return with_destination(
        history,
        heard=(*destination.heard, *(at_last if there is None else there)),
        left=(InputLeft("tablet", CALLED, tuple(late)),),
    )


def said(finding: Finding) -> str:
    """Return all that a finding observed."""
    assert finding.verdict is Verdict.BROKEN
    return " | ".join(observation.text for observation in finding.observations)


def test_all_that_was_pointed_at_arrived() -> None:
    """A life in which every gesture was seen once, in order, is kept, and its sights counted."""
    finding = hand.judge(pointed())

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"events_seen_before": 3, "events_seen_after": 3}


def test_nothing_was_done() -> None:
    """Where no hand was on a device there is nothing to judge."""
    assert hand.judge(moved()).verdict is Verdict.KEPT


def test_refused_gesture_is_not_missed() -> None:
    """What QEMU refused because the VM did not run is not expected to arrive."""
    assert hand.judge(pointed(more=[sent(9, 1.05, taken=False)])).verdict is Verdict.KEPT


def test_refused_gesture_that_arrives_convicts() -> None:
    """What QEMU refused must not be seen later."""
    history = pointed(here=[report(9, 1.06)], more=[sent(9, 1.05, taken=False)])

    assert "was told «x 900, y 63, buttons 1»" in said(hand.judge(history))


def test_gesture_in_the_queue_may_arrive_on_the_other_side() -> None:
    """What the source took and the guest had not read is seen on the destination, in its turn."""
    there = [report(9, 1.2), *(report(n, 1.41 + n / 100) for n in (4, 5, 6))]

    assert hand.judge(pointed(there=there, more=[sent(9, 0.99)])).verdict is Verdict.KEPT


def test_lost_gesture_convicts() -> None:
    """A gesture that QEMU took and the guest never saw is told with where it went."""
    finding = hand.judge(pointed(more=[sent(9, 0.99)]))

    expected = "the tablet's event 9 (x 900, y 63, buttons 1), which the source took, never came"
    assert expected in said(finding)


def test_gesture_that_comes_twice_convicts() -> None:
    """A gesture that the guest sees once more, on the other side, is told."""
    there = [report(3, 1.25), *(report(n, 1.41 + n / 100) for n in (4, 5, 6))]

    assert (
        "event 3 (x 300, y 21, buttons 1), which the source took, came to the guest on the "
        in (text := said(hand.judge(pointed(there=there))))
    )
    assert "destination once more" in text


def test_gestures_out_of_order_convict() -> None:
    """Two gestures that the guest sees the wrong way round are told."""
    there = [report(5, 1.41), report(4, 1.42), report(6, 1.43)]

    assert "came to the guest on the destination out of order, after event 5" in said(
        hand.judge(pointed(there=there))
    )


def test_other_place_convicts() -> None:
    """A place where nobody had pointed is told, with the last that somebody had."""
    wrong = told(1.2, "event dev=1 at=0 x=7 y=7 buttons=0")
    text = said(hand.judge(pointed(here=[wrong])))

    assert "«x 7, y 7, buttons 0» by its QEMU QEMU USB Tablet, which nobody had done" in text
    assert "the last that it was told before is the tablet's event 3" in text


def test_other_device_convicts() -> None:
    """A gesture that comes by another device than it was made on is lost, and invented there."""
    there = [report(4, 1.31, dev=0), report(5, 1.36), report(6, 1.41)]
    text = said(hand.judge(pointed(there=there)))

    assert f"by its {OTHER}, which nobody had done" in text
    assert "event 4 (x 400, y 28, buttons 0), which the destination took, never came" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (told(1.2, f"lost dev=1 name={quote(CALLED)}"), f"the guest lost its {CALLED}"),
        (found(2, CALLED, times=2, at=1.25), f"the guest found its {CALLED} anew"),
    ],
    ids=["lost", "found"],
)
def test_device_that_does_not_stay_convicts(change: Heard, words: str) -> None:
    """A tablet that the guest loses, or finds once more, is told though every event came."""
    source, *_ = pointed().sides

    assert words in said(hand.judge(pointed(here=[change])))
    assert source.heard


def test_nothing_seen_afterwards_is_blind() -> None:
    """A hand that did nothing after the arrival has not shown that the devices work."""
    history = pointed(there=())
    finding = hand.judge(with_destination(history, left=()))

    assert finding.verdict is Verdict.UNABLE
    assert "no events seen after" in finding.reason


def test_slow_guest_convicts_nobody() -> None:
    """A guest that was too slow to read its devices says so, and nothing follows from it."""
    dropped = told(1.2, "event dev=1 at=0 dropped=1 x=7 y=7 buttons=0")

    assert hand.judge(pointed(here=[dropped])).verdict is Verdict.UNABLE


def test_guest_nobody_listens_to_misses_nothing() -> None:
    """Where the guest is not listened to, what it did not tell is not missing."""
    history = pointed(more=[sent(9, 0.99)]).without_testimony({"destination"})

    assert hand.judge(history).verdict is Verdict.KEPT


def reading(*there: Heard) -> History:
    """Return the life of a guest that read a disk, and what it said of it on the destination."""
    source, destination = moved().sides
    here = read(0.9, begun=5)
    history = with_source(moved(), heard=(*source.heard, here), left=(ReadLeft("stick"),))
    return with_destination(history, heard=(*destination.heard, *there))


def read(at: float, begun: int, bad: int = 0, errors: int = 0) -> Heard:
    """Return that a read was begun, and those before it ended."""
    done = begun - 1
    words = f"read blocks=40 begun={begun:x} done={done:x} bad={bad:x} errors={errors:x}"
    return told(at, words)


def test_reads_that_go_on_are_kept() -> None:
    """A guest that ends its reads after the arrival, and finds them right, is kept."""
    finding = reads.judge(reading(read(1.3, 6), read(1.4, 7)))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"reads_ended_after": 1}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([], "read 5 from the USB disk, begun before or after the move, never ended"),
        (
            [read(1.3, 6, errors=1), read(1.4, 7, errors=1)],
            "on the destination 1 reads from the USB disk failed, up to read 5",
        ),
        (
            [read(1.3, 6), read(1.4, 7, bad=1)],
            "on the destination 1 reads from the USB disk gave another block's content",
        ),
    ],
    ids=["stuck", "failed", "wrong"],
)
def test_read_that_does_not_end_well_convicts(there: list[Heard], words: str) -> None:
    """A read that never ends, fails, or gives what is elsewhere is told."""
    assert words in said(reads.judge(reading(*there)))


def test_machine_without_a_disk() -> None:
    """Where there is no USB disk there is nothing to judge."""
    assert reads.judge(moved()).verdict is Verdict.KEPT


def test_stopped_guest_owes_no_reads() -> None:
    """A guest that is stopped at the end reads nothing, and need not."""
    history = with_destination(reading(), status="paused", events=(event("STOP", 1.5),))

    assert reads.judge(replace(history)).verdict is Verdict.KEPT
