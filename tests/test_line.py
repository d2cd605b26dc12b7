# SPDX-License-Identifier: Apache-2.0
"""A guest is heard as it speaks, also when it is moved in the middle of a word."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landfall.clock import Bell
from landfall.errors import GuestSilent, PromiseBroken
from landfall.host import Fifos
from landfall.line import Line
from landfall.reactor import Reactor


class Speaker:
    """The guest's end of a line."""

    def __init__(self, folder: Path) -> None:
        self.fifos = Fifos(folder, "guest")
        self._out = os.open(folder / "guest.out", os.O_WRONLY)
        self._in = os.open(folder / "guest.in", os.O_RDONLY | os.O_NONBLOCK)

    def say(self, data: bytes) -> None:
        """Say some bytes."""
        os.write(self._out, data)

    def told(self) -> bytes:
        """Return what was said to the guest."""
        return os.read(self._in, 4096)

    def close(self) -> None:
        """Hang up."""
        os.close(self._out)
        os.close(self._in)


Hear = Callable[..., tuple[Line, Speaker]]


def signed(text: str) -> bytes:
    """Return a line with its checksum and its end."""
    return f"{text} *{zlib.crc32(text.encode()):08x}\n".encode()


@pytest.fixture
def hear(tmp_path: Path, reactor: Reactor) -> Iterator[Hear]:
    """Open a line: `hear("source")` returns it with the guest's end of it."""
    opened: list[tuple[Line, Speaker]] = []

    def heard(name: str, before: Line | None = None) -> tuple[Line, Speaker]:
        folder = tmp_path / name
        folder.mkdir()
        speaker = Speaker(folder)
        line = Line(name, reactor, speaker.fifos, folder / "record", Bell(), before)
        opened.append((line, speaker))
        return line, speaker

    yield heard
    for line, speaker in opened:
        line.close()
        speaker.close()


def test_statement_that_was_moved_in_the_middle_is_put_together(hear: Hear) -> None:
    """A statement begun on the source and ended on the destination is one statement."""
    source, there = hear("source")
    destination, here = hear("destination", source)
    text = signed("@5 beat tsc=1")

    there.say(signed("@4 beat tsc=0") + text[:6])
    source.wait_for_beats(1, within=5, since=0)
    here.say(text[6:] + signed("@6 beat tsc=2"))
    destination.wait_for_beats(2, within=5, since=0)

    assert [heard.statement.seq for heard in destination.heard] == [5, 6]
    assert destination.garbled == []


def test_statement_is_put_together_over_a_host_on_which_nothing_was_said(hear: Hear) -> None:
    """A guest that stood still on its way ends a statement where it was begun hosts ago."""
    source, there = hear("source")
    hop, _silent = hear("hop", source)
    destination, here = hear("destination", hop)
    text = signed("@5 beat tsc=1")

    there.say(signed("@4 beat tsc=0") + text[:1])
    here.say(text[1:])
    destination.wait_for_beats(1, within=5, since=0)

    assert destination.heard[0].statement.seq == 5
    assert destination.garbled == []


def test_statement_that_is_read_late_is_not_dated_back(
    hear: Hear, reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is read at once only the first has the time at which the first byte came."""
    monkeypatch.setattr("landfall.line.GATHER", 0.2)
    line, guest = hear("source")

    reactor.call(line._first_byte)
    moment = time.monotonic()
    guest.say(signed("@1 beat tsc=1") + signed("@2 verified id=1 pages=1"))
    line.wait_for_beats(1, within=5, since=0)

    first, second = line.heard
    assert first.at < moment <= second.at


def test_line_that_is_no_statement_is_kept_as_garbled(hear: Hear) -> None:
    """What cannot be read is not lost: it is kept for the oracle to tell."""
    line, guest = hear("source")

    guest.say(b"@9 beat tsc=1 *00000000\n" + signed("@a beat tsc=2"))
    line.wait_for_beats(1, within=5, since=0)

    assert line.garbled == [b"@9 beat tsc=1 *00000000"]


def test_unanswered_command_is_asked_again_with_the_same_id(hear: Hear) -> None:
    """A command that gets no answer is sent again, and then the guest is called silent."""
    line, guest = hear("source")

    with pytest.raises(GuestSilent, match="to answer 'echo x'"):
        line.request("echo x", within=1.2)

    commands = guest.told().splitlines()
    assert len(commands) >= 2
    assert len(set(commands)) == 1


def test_silent_guest_costs_one_deadline(hear: Hear) -> None:
    """A guest that was silent once is not waited for again."""
    line, _guest = hear("source")
    with pytest.raises(GuestSilent):
        line.wait_for_beats(1, within=0.1)

    with pytest.raises(GuestSilent, match=r"waited 0\.1 s"):
        line.request("verify", within=3600)


def test_trap_ends_the_wait(hear: Hear) -> None:
    """A boot vCPU that says it stopped for an exception is not waited for."""
    line, guest = hear("source")
    guest.say(signed("@1 trap cpu=0 vector=d error=0 ip=101254 cr2=0"))

    with pytest.raises(PromiseBroken, match="took exception 13 at 0x101254 and stopped"):
        line.request("verify", within=3600)
