# SPDX-License-Identifier: Apache-2.0
"""The oracle of serial ports, on histories made up and then damaged."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.oracles import ports
from landfall.oracles.ports import PortLeft
from landfall.verdict import Verdict
from tests.life import moved, statement, with_destination

CUT = 5
"""Bytes of the line that begins on the source and ends on the destination."""


def lines(numbers: Iterable[int], got: int = 3) -> bytes:
    """Return lines of the guest's."""
    bodies = (f"{number:x} {got:x}".encode() for number in numbers)
    return b"".join(body + b" *%08x\n" % zlib.crc32(body) for body in bodies)


def life(
    here: bytes, there: bytes, sent: tuple[tuple[int, ...], tuple[int, ...]], **said: int
) -> History:
    """Return the history of a guest with a port: what came out, what we sent, what it says."""
    facts = {"id": 2, "sent": 9, "got": 5, "again": 0, "lost": 0, "garbled": 0} | said
    words = " ".join(f"{key}={value:x}" for key, value in facts.items())
    answer = Heard(statement(f"@34 port {words}"), 1.45)
    source, destination = moved().sides
    history = replace(
        moved(), sides=(replace(source, left=(PortLeft(here, sent[0]),)), destination)
    )
    return with_destination(
        history, left=(PortLeft(there, sent[1]),), heard=(*destination.heard, answer)
    )


HERE, THERE = lines(range(1, 7)), lines(range(7, 10))
SENT = ((1, 2, 3), (4, 5))


def test_port_that_loses_nothing_is_kept() -> None:
    """Lines that came out once, in order, and reached the guest so, break nothing."""
    finding = ports.judge(life(HERE, THERE, SENT))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"lines_after": 3, "answers_about_the_port": 1}


def test_line_may_begin_here_and_end_there() -> None:
    """A line whose first bytes came out on the source and whose last on the destination is one."""
    everything = HERE + THERE
    cut = len(HERE) + CUT

    finding = ports.judge(life(everything[:cut], everything[cut:], SENT))

    assert finding.verdict is Verdict.KEPT


def test_line_that_was_under_way_may_come_twice() -> None:
    """What nobody had answered when the guest left is sent again, and may reach it twice."""
    finding = ports.judge(life(HERE, THERE, ((1, 2, 3, 4), (4, 5)), again=1))

    assert finding.verdict is Verdict.KEPT


@pytest.mark.parametrize(
    ("there", "said", "words"),
    [
        (lines(range(8, 10)), {}, "lines 7 to 7 that the guest wrote never came out"),
        (lines(range(6, 10)), {}, "line 6 of the guest came out on the destination again"),
        (THERE.replace(b"8", b"9", 1), {}, "a line that came out on the destination is damaged"),
        (THERE, {"lost": 1}, "1 of the lines that were sent to the guest never reached it"),
        (THERE, {"garbled": 2}, "2 of the lines that were sent to the guest reached it damaged"),
        (THERE, {"again": 1}, "1 lines reached the guest again, and 0 were sent again"),
        (THERE, {"got": 4}, "line 5 was sent to the guest, and its last is 4"),
    ],
    ids=["lost", "twice", "damaged", "ours-lost", "ours-damaged", "ours-twice", "last"],
)
def test_what_a_port_did_wrong_convicts(there: bytes, said: dict[str, int], words: str) -> None:
    """What is lost, doubled or damaged, either way, is broken and told by its number."""
    finding = ports.judge(life(HERE, there, SENT, **said))

    assert finding.verdict is Verdict.BROKEN
    assert words in finding.observations[0].text


def test_silent_port_is_unable() -> None:
    """A port out of which nothing came after the move tells nothing."""
    assert ports.judge(life(HERE, b"", SENT)).verdict is Verdict.UNABLE


def test_machine_without_a_port_is_not_judged() -> None:
    """Where there is no port there is nothing to keep."""
    finding = ports.judge(moved())

    assert finding.verdict is Verdict.KEPT
    assert finding.reason == "the machine has no serial port that is watched"
