# SPDX-License-Identifier: Apache-2.0
"""A stream that is under way is read as it comes, and goes on as it came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from landfall.stream import Flag, Kind, StreamError
from landfall.stream.feed import Ended, Feed
from landfall.stream.passing import Piece, Thread, items, pieces
from tests.stream import made
from tests.stream.made import EOF, EOS, HEADER, PAGE, command, item, owned, ram, ram_start

PACKAGED = 7
BLOCK = ("pc.ram", 16 * PAGE)


def fed(data: bytes, size: int = 1 << 18) -> Feed:
    """Return a feed that brings so many bytes at a time."""
    blocks = iter([data[at : at + size] for at in range(0, len(data), size)])
    return Feed(lambda _size: next(blocks, b""))


def late() -> bytes:
    """Return a stream of postcopy: devices packed, with what looks like RAM, and pages after."""
    packed = b"\x02 not a section"
    return b"".join(
        [
            HEADER,
            ram_start(BLOCK),
            ram(item(Flag.PAGE, 0, owned(0, 1), "pc.ram")),
            command(PACKAGED, len(packed).to_bytes(4)) + packed,
            ram(item(Flag.PAGE, PAGE, owned(PAGE, 2)), item(Flag.ZERO, 2 * PAGE, b"\0")),
            ram(kind=Kind.END),
            EOF,
        ]
    )


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
@pytest.mark.parametrize("stream", [made.whole, late], ids=["precopy", "postcopy"])
def test_every_byte_goes_on(stream: Callable[[], bytes], size: int) -> None:
    """However it comes, what is read is what was there, and nothing is lost or made."""
    data = stream()

    read = list(pieces(fed(data, size)))

    assert b"".join(piece.data for piece in read) == data
    thread = Thread()
    assert b"".join(thread.through(piece) for piece in read) == data


def test_pages_are_told_apart_before_and_after_the_devices() -> None:
    """What follows the packed devices is RAM again."""
    read = list(pieces(fed(late())))

    kinds = [piece.command or piece.flag for piece in read if piece.command or piece.block]
    assert kinds == [Flag.PAGE, "PACKAGED", Flag.PAGE, Flag.ZERO]
    assert [p.address for p in read if p.block] == [0, PAGE, 2 * PAGE]
    assert [p.kind for p in read if p.kind is not None][-1] == Kind.END


def test_what_follows_one_that_is_left_out_names_its_block() -> None:
    """An item that leans on one that is gone is given the name of its block."""
    thread = Thread()
    first, second, *_ = items(
        fed(item(Flag.ZERO, 0, b"\0", "pc.ram") + item(Flag.ZERO, PAGE, b"\0") + EOS)
    )

    assert first.block == second.block == "pc.ram"
    assert thread.through(second) == item(Flag.ZERO, PAGE, b"\0", "pc.ram")


def test_content_can_be_changed() -> None:
    """A page's item keeps its place when it is given another content."""
    (page, *_) = items(fed(item(Flag.PAGE, PAGE, owned(PAGE, 1), "pc.ram") + EOS))

    assert page.content == owned(PAGE, 1)
    assert page.holding(owned(0, 1)) == item(Flag.PAGE, PAGE, owned(0, 1), "pc.ram")


def test_stream_that_breaks_off_hands_out_what_had_come() -> None:
    """What ends in the middle of something is not lost."""
    data = late()[:-100]
    read: list[Piece] = []

    with pytest.raises(Ended) as ended:
        read.extend(pieces(fed(data)))

    assert b"".join(piece.data for piece in read) + ended.value.begun == data


def test_what_waits_is_let_go_before_more_is_waited_for() -> None:
    """Whoever passes bytes on learns that no more have come: the other side may need them."""
    order: list[str] = []
    blocks = iter([b"ab", b"cd", b""])

    def read(_size: int) -> bytes:
        order.append("wait")
        return next(blocks)

    feed = Feed(read, lambda: order.append("let go"))
    feed.take(3)

    assert order == ["let go", "wait", "let go", "wait"]


def test_flags_that_are_not_known_are_told() -> None:
    """An item of RAM that nothing is known of is an error with its place."""
    with pytest.raises(StreamError, match="at 0x0: RAM flags 0x80 are not read"):
        list(items(fed((Flag.HOOK | 0x20).to_bytes(8))))
