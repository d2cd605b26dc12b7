# SPDX-License-Identifier: Apache-2.0
"""Lose pages that travel over several connections: a filter for --through.

    ./landfall qualify --through 'python tests/filters/multifd.py drop-zero' suites/test_multifd.py

One runs in each connection and learns from LANDFALL_CHANNEL in which. It passes everything on as
it comes, for the destination waits until all connections have come to the same place, and says
on standard error what it did.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from landfall.stream import Flag, StreamError
from landfall.stream.feed import Feed, pass_on
from landfall.stream.multifd import Packet, packets
from landfall.stream.owned import generation
from landfall.stream.passing import Piece, Thread, pieces

__all__ = ["FAULTS", "main"]

CHANNEL = int(os.environ.get("LANDFALL_CHANNEL", "0"))
SPOILT = 1
"""The connection of several that `exchange` spoils a page in."""


class Cat:
    """Read everything, and write it as it came."""

    def item(self, piece: Piece) -> Piece | None:
        """Return what becomes of a piece of the first connection."""
        return piece

    def packet(self, packet: Packet) -> Packet:
        """Return what becomes of a packet of another one."""
        return packet


class DropZero(Cat):
    """Lose every word that a page is zero now which had come as the guest's in this connection.

    In the first, where only such words come and no pages (QEMU before 9.0, and with
    zero-page-detection=legacy): every word of that kind, for a new destination is zero anyhow.
    """

    def __init__(self) -> None:
        self._held: set[tuple[str, int]] = set()
        self._lost = 0

    def item(self, piece: Piece) -> Piece | None:
        """Lose an item that says that a page is zero."""
        if piece.flag != Flag.ZERO:
            return piece
        self._say(piece.block, piece.address)
        return None

    def packet(self, packet: Packet) -> Packet:
        """Lose zero pages that had come as pages of the guest's."""
        for address, content in packet.contents():
            if generation(content) is not None:
                self._held.add((packet.block, address))
        left = tuple(a for a in packet.zero if (packet.block, a) not in self._held)
        for address in sorted({*packet.zero} - {*left}):
            self._say(packet.block, address)
        return packet if left == packet.zero else packet.with_zero(left)

    def _say(self, block: str, address: int) -> None:
        if not self._lost:
            say(f"lost that page 0x{address:x} of {block} is zero, and all such words after it")
        self._lost += 1


class Exchange(Cat):
    """Give a page of the guest's, in one connection of several, the content of its neighbour."""

    def __init__(self) -> None:
        self._page: tuple[str, int] | None = None

    def packet(self, packet: Packet) -> Packet:
        """Repeat the content of a packet's first page in the place of its second."""
        both = list(packet.contents())[:2]
        if CHANNEL != SPOILT or len(both) < 2 or self._done(packet.block, both):
            return packet
        first, second = (content for _, content in both)
        rest = packet.data[packet.payload + len(first) + len(second) :]
        return replace(packet, data=packet.data[: packet.payload] + first + first + rest)

    def _done(self, block: str, both: list[tuple[int, bytes]]) -> bool:
        """Whether it need not be done: the page is another one, or not the guest's."""
        if None in [generation(content) for _, content in both]:
            return True
        page = block, both[1][0]
        if self._page is None:
            say(f"put page 0x{both[0][0]:x} of {block} in the place of page 0x{page[1]:x}")
            self._page = page
        return self._page != page


FAULTS: dict[str, Callable[[], Cat]] = {
    "cat": Cat,
    "drop-zero": DropZero,
    "exchange": Exchange,
}


def say(text: str) -> None:
    """Say what was done."""
    print(f"multifd: connection {CHANNEL}: {text}", file=sys.stderr, flush=True)


def changed(feed: Feed, fault: Cat) -> Iterator[bytes]:
    """Yield what a connection brings, changed."""
    if CHANNEL:
        yield from (fault.packet(packet).data for packet in packets(feed))
        return
    thread = Thread()
    for piece in pieces(feed):
        left = fault.item(piece)
        if left is not None:
            yield thread.through(left)


def main(arguments: list[str] | None = None) -> int:
    """Pass standard input on, spoiled; return the exit status."""
    parser = argparse.ArgumentParser(description="Lose pages that travel over connections.")
    parser.add_argument("fault", choices=list(FAULTS))
    fault = FAULTS[parser.parse_args(arguments).fault]()
    try:
        pass_on(lambda feed: changed(feed, fault))
    except (StreamError, BrokenPipeError) as error:
        print(f"multifd: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
