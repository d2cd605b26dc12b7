# SPDX-License-Identifier: Apache-2.0
"""Packets of multifd are read as they come, and can be given other zero pages."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall import state
from landfall.stream import Flag, StreamError
from landfall.stream.feed import Ended
from landfall.stream.multifd import MAGIC, packets
from tests.stream import made
from tests.stream.made import PAGE, owned
from tests.stream.test_passing import fed

HELLO = struct.pack(">II56x", MAGIC, 1)
SYNC, PACKED = 1, 2
ROOM = 128


def packet(*contents: bytes, zero: int = 0, flags: int = 0, size: int | None = None) -> bytes:
    """Return a packet with pages from the block's beginning, and zero pages after them."""
    payload = b"".join(contents)
    count = len(contents) + zero
    told = len(payload) if size is None else size
    head = struct.pack(
        ">IIIIIIQI28x256s",
        MAGIC,
        1,
        flags,
        count and ROOM,
        len(contents),
        told,
        7,
        zero,
        b"pc.ram",
    )
    table = b"".join((n * PAGE).to_bytes(8) for n in range(count))
    return head + table.ljust(ROOM * 8, b"\0") + payload


STREAM = HELLO + packet(owned(0, 1), owned(PAGE, 1), zero=2) + packet(flags=SYNC)


@pytest.mark.parametrize("size", [1, 100, 1 << 18])
def test_every_byte_goes_on(size: int) -> None:
    """However it comes, what is read is what was there."""
    assert b"".join(packet.data for packet in packets(fed(STREAM, size))) == STREAM


def test_pages_and_zero_pages_are_told_apart() -> None:
    """A packet says which pages it brings and which are zero."""
    _, first, last = packets(fed(STREAM))

    assert (first.block, first.number) == ("pc.ram", 7)
    assert list(first.contents()) == [(0, owned(0, 1)), (PAGE, owned(PAGE, 1))]
    assert first.zero == (2 * PAGE, 3 * PAGE)
    assert (last.flags, last.normal, last.zero) == (SYNC, (), ())


def test_zero_page_can_be_left_out() -> None:
    """A packet with fewer zero pages is what QEMU would have sent."""
    _, first, _ = packets(fed(STREAM))

    left = first.with_zero(first.zero[:1])

    assert left.data == packet(owned(0, 1), owned(PAGE, 1), zero=1)


def test_contents_that_are_packed_are_not_told() -> None:
    """What is compressed is passed over."""
    _, only = packets(fed(HELLO + packet(b"packed", flags=PACKED)))

    assert list(only.contents()) == []


def test_size_counts_only_where_pages_follow() -> None:
    """QEMU 5.2 and 7.2 leave the size of the packet before in one that brings no page."""
    stream = HELLO + packet(flags=SYNC, size=PAGE) + packet(owned(0, 1))

    assert [len(p.normal) for p in packets(fed(stream))] == [0, 0, 1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes(64), "at 0x0: 0x0 0x0 does not greet as multifd does"),
        (HELLO + bytes(12), "at 0x40: 0x0 0x0 begins no packet of multifd"),
        (HELLO + packet(zero=ROOM + 1), "at 0x40: 0 pages and 129 that are zero, in room for 128"),
    ],
    ids=["greeting", "packet", "room"],
)
def test_what_is_no_multifd_is_told(data: bytes, said: str) -> None:
    """The error says where, and what is there."""
    with pytest.raises(StreamError, match=said):
        list(packets(fed(data)))


def test_connection_that_breaks_off_is_told() -> None:
    """A packet that does not come whole hands out what had come."""
    with pytest.raises(Ended) as ended:
        list(packets(fed(STREAM[:-10])))

    assert ended.value.begun == packet(flags=SYNC)[:-10]


MAIN = made.HEADER + made.ram_start(("pc.ram", 16 * PAGE)) + made.ram(kind=3) + made.EOF


def test_packet_is_written_from_its_parts() -> None:
    """Each packet that is written from its parts is what was read."""
    assert all(b"".join(p.written()) == p.data for p in packets(fed(STREAM)))


def test_later_round_counts() -> None:
    """A page that is sent again after all connections waited for each other is the later one."""
    first = HELLO + packet(owned(0, 1), flags=SYNC) + packet(zero=1)
    second = HELLO + packet(flags=SYNC) + packet(zero=0)

    pages = state.read(MAIN, [second, first]).ram["pc.ram"]

    assert pages.content(0) == bytes(PAGE)
    assert pages.content(1) is None


def test_packed_pages_are_not_there() -> None:
    """What is in a packed packet is not known, whatever was sent before."""
    channel = HELLO + packet(owned(0, 1), flags=SYNC) + packet(owned(0, 2), flags=PACKED)

    assert state.read(MAIN, [channel]).ram["pc.ram"].content(0) is None


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(0, len(HELLO) + 330), st.integers(0, 255), max_size=4),
    st.integers(0, len(STREAM)),
)
def test_changed_channel(changes: dict[int, int], size: int) -> None:
    """A connection with some bytes changed, or cut, is understood or refused."""
    channel = bytearray(STREAM)
    for place, value in changes.items():
        channel[place] = value

    try:
        pages = state.read(MAIN, [bytes(channel[:size])]).ram["pc.ram"]
    except StreamError:
        return
    assert all(len(pages.content(n) or bytes(PAGE)) == PAGE for n in range(pages.count))


@pytest.mark.parametrize("end", [b"", made.EOS], ids=["ends", "is ended"])
def test_pages_alone(end: bytes) -> None:
    """A connection of pages that a guest waited for ends with EOS (7.2), or with its last page."""
    asked = made.item(Flag.PAGE, PAGE, owned(PAGE, 3), "pc.ram") + made.item(Flag.ZERO, 0, b"\0")

    pages = state.read(MAIN, [asked + end]).ram["pc.ram"]

    assert (pages.content(0), pages.content(1)) == (bytes(PAGE), owned(PAGE, 3))
    assert state.read(MAIN, [b""]).ram["pc.ram"].content(0) is None


@pytest.mark.parametrize("size", [4, 20, PAGE, PAGE + 20])
def test_pages_alone_cut(size: int) -> None:
    """A connection of pages that ends in one is refused."""
    asked = made.item(Flag.PAGE, PAGE, owned(PAGE, 3), "pc.ram") * 2

    with pytest.raises(StreamError):
        _ = state.read(MAIN, [asked[:size]]).ram
