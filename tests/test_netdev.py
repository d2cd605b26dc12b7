# SPDX-License-Identifier: Apache-2.0
"""Frames are heard whole, however they come, and the law of announcements is QEMU's."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.announce import Announce, packet
from landfall.netdev import LENGTH, Ear
from landfall.nic import RECORD, dumped

MEASURED = (
    "ffffffffffff 525400123456 8035 0001 0800 06 04 0003"
    "525400123456 00000000 525400123456 00000000" + "00" * 18
)
"""What QEMU 7.2 sent."""
FRAMES = [packet("52:54:00:12:34:50"), b"x" * 1514]


@pytest.fixture(params=[socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["stream", "datagrams"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, Ear]]:
    """QEMU's end, and an ear on ours."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, request.param)
    with theirs, ours:
        yield theirs, Ear(ours, framed=request.param is socket.SOCK_STREAM)


def sendings(kind: int) -> list[bytes]:
    """The frames as QEMU sends them, a stream's in bites that end anywhere."""
    if kind == socket.SOCK_DGRAM:
        return FRAMES
    whole = b"".join(LENGTH.pack(len(frame)) + frame for frame in FRAMES)
    return [whole[at : at + 7] for at in range(0, len(whole), 7)]


def test_frames_are_heard_whole(line: tuple[socket.socket, Ear]) -> None:
    """Each frame is one in the record, however it was cut on the way."""
    theirs, ear = line

    for bite in sendings(theirs.type):
        theirs.send(bite)
        ear.hear()

    assert [frame.content for frame in ear.frames] == FRAMES


def test_datagram_has_the_time_it_was_sent(line: tuple[socket.socket, Ear]) -> None:
    """A datagram that is read late was stamped when it was sent; a stream has no stamps."""
    theirs, ear = line
    for bite in sendings(theirs.type):
        theirs.send(bite)
    sent = time.time()

    ear.hear()

    exact = theirs.type == socket.SOCK_DGRAM
    assert [frame.exact for frame in ear.frames] == [exact, exact]
    assert all((frame.emitted <= sent) is exact for frame in ear.frames)


@pytest.mark.parametrize("line", [socket.SOCK_STREAM], ids=["stream"], indirect=True)
def test_end_of_a_stream_is_heard(line: tuple[socket.socket, Ear]) -> None:
    """A QEMU that has gone, with half a frame sent, is not listened to for ever."""
    theirs, ear = line
    theirs.send(LENGTH.pack(60) + b"half")
    theirs.close()

    assert ear.hear() is False
    assert ear.frames == []


@pytest.mark.parametrize("cut", [-1, -1510, -1520], ids=["at the end", "early", "in the header"])
def test_dump_that_was_cut_short_is_read_to_its_end(tmp_path: Path, cut: int) -> None:
    """A dump gives every whole record and stops where it breaks off."""
    file = tmp_path / "nic0.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
    records = [RECORD.pack(1, 2, len(f), len(f)) + f for f in [*FRAMES, FRAMES[-1]]]
    whole = header + b"".join(records)

    file.write_bytes(whole[:cut])

    assert list(dumped(file)) == FRAMES


def test_packet_is_what_was_measured() -> None:
    """The packet expected is, byte for byte, what QEMU was seen to send."""
    assert packet("52:54:00:12:34:56") == bytes.fromhex(MEASURED)


@pytest.mark.parametrize(
    ("announce", "due"),
    [
        (Announce(), (0, 50, 200, 450, 800)),
        (Announce(rounds=3, initial=20, step=10000, max=60), (0, 20, 80)),
        (Announce(rounds=0), ()),
    ],
    ids=str,
)
def test_times_follow_qemus_law(announce: Announce, due: tuple[int, ...]) -> None:
    """The first packet is due at once, each next one a step later, and `max` caps the delay."""
    assert [round(at * 1000) for at in announce.due] == list(due)
