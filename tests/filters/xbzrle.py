# SPDX-License-Identifier: Apache-2.0
"""Leave a page of the guest's as it was: a filter for --through, under xbzrle.

    ./landfall qualify --through 'python tests/filters/xbzrle.py empty' suites/test_capabilities.py

Under xbzrle a page that is sent again is sent as its difference. It passes everything on as it
comes, but spoils every difference of one page: the first that would make another generation of
the guest's pattern. It says on standard error what it did. Exit status 1 where there was none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from landfall.stream import Flag, StreamError
from landfall.stream.feed import Feed, pass_on
from landfall.stream.owned import generation
from landfall.stream.passing import Piece, Thread, pieces
from landfall.stream.xbzrle import applied, delta, sent

__all__ = ["FAULTS", "main"]

ZERO = bytes(4096)
Spoil = Callable[[Piece], Piece | None]
FAULTS: dict[str, Spoil | None] = {
    "cat": None,
    "empty": lambda piece: replace(piece, data=piece.holding(delta(b""))),
    "drop": lambda _piece: None,
}
"""What becomes of a difference of the page."""


class Stale:
    """Spoils the differences of one page."""

    def __init__(self, spoil: Spoil | None) -> None:
        self._spoil = spoil
        self._pages: dict[tuple[str, int], bytes] = {}
        self._chosen: tuple[str, int] | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether there was nothing to spoil."""
        return self._spoil is not None and self._chosen is None

    def change(self, piece: Piece) -> Piece | None:
        """Return what becomes of a piece."""
        if not piece.block:
            return piece
        page = piece.block, piece.address
        before = self._pages.get(page, ZERO)
        now = content(piece, before)
        self._pages[page] = now
        if self._spoil is None or piece.flag != Flag.XBZRLE:
            return piece
        if self._chosen is None and None not in (generation(before), generation(now)):
            self._chosen = page
            was = generation(before)
            say(f"spoilt the differences of page 0x{page[1]:x} of {page[0]}: it stays {was}")
        return self._spoil(piece) if page == self._chosen else piece


def content(piece: Piece, before: bytes) -> bytes:
    """Return what a page holds once an item about it was heard."""
    if piece.flag == Flag.XBZRLE:
        return applied(sent(piece.content), before)
    return piece.content if piece.flag == Flag.PAGE else ZERO


def say(text: str) -> None:
    """Say what was done."""
    print(f"xbzrle: {text}", file=sys.stderr, flush=True)


def changed(feed: Feed, stale: Stale) -> Iterator[bytes]:
    """Yield a stream, changed."""
    thread = Thread()
    for piece in pieces(feed):
        left = stale.change(piece)
        if left is not None:
            yield thread.through(left)


def main(arguments: list[str] | None = None) -> int:
    """Pass standard input on, spoiled; return the exit status."""
    parser = argparse.ArgumentParser(description="Leave a page of the guest's as it was.")
    parser.add_argument("fault", choices=list(FAULTS))
    stale = Stale(FAULTS[parser.parse_args(arguments).fault])
    try:
        pass_on(lambda feed: changed(feed, stale))
    except (StreamError, BrokenPipeError) as error:
        print(f"xbzrle: {error}", file=sys.stderr)
        return 1
    if stale.is_in_vain:
        print("xbzrle: no page of a guest of ours was sent as a difference", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
