# SPDX-License-Identifier: Apache-2.0
"""Spoil one page of a guest that went on before its memory had come: a filter for --through.

    ./landfall qualify --through 'python tests/filters/postcopy.py cat' suites/test_postcopy.py

It passes everything on as it comes, for the guest waits for it, and says on standard error what
it did. A connection of its own (`postcopy-preempt`) has nothing but pages that the guest asked
for. What was measured is said in tests/test_planted_feature_faults.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from landfall.stream import Flag, Kind, StreamError
from landfall.stream.feed import Feed, pass_on
from landfall.stream.owned import generation
from landfall.stream.passing import Piece, Thread, items, pieces

__all__ = ["FAULTS", "main"]

IS_FIRST = os.environ.get("LANDFALL_CHANNEL", "0") == "0"
"""Whether it is in the connection that has more than pages."""
Change = Callable[[Piece], Piece | None]
"""What becomes of a piece that comes when the guest has gone on: nothing, if it is kept back."""


def cat() -> Change:
    """Read every piece, and write it as it came."""
    return lambda piece: piece


def exchange() -> Change:
    """Give the guest what another page of its own holds, for the second one that comes late."""
    before: list[Piece] = []

    def change(piece: Piece) -> Piece:
        if not is_owned(piece) or len(before) > 1:
            return piece
        before.append(piece)
        if len(before) == 1:
            return piece
        say(f"put {where(before[0])} in the place of {where(piece)}")
        return replace(piece, data=piece.holding(before[0].content))

    return change


def withhold() -> Change:
    """Keep back the first page of the guest's that comes late, and the end of the stream."""
    kept: list[Piece] = []
    ended: list[Piece] = []

    def change(piece: Piece) -> Piece | None:
        if piece.kind == Kind.END or ended:
            ended.append(piece)
            return None
        if kept or not is_owned(piece):
            return piece
        kept.append(piece)
        say(f"kept back {where(piece)}")
        return None

    return change


FAULTS: dict[str, Callable[[], Change]] = {
    "cat": cat,
    "exchange": exchange,
    "withhold": withhold,
}


def is_owned(piece: Piece) -> bool:
    """Whether a piece is a page that holds the pattern of a guest of ours."""
    return piece.flag == Flag.PAGE and generation(piece.content) is not None


def where(piece: Piece) -> str:
    """Name the page that a piece is about."""
    return f"page 0x{piece.address:x} of {piece.block}"


def say(text: str) -> None:
    """Say what was done."""
    print(f"postcopy: {text}", file=sys.stderr, flush=True)


def changed(feed: Feed, change: Change) -> Iterator[bytes]:
    """Yield a stream that is changed from the switch-over on."""
    thread, is_late = Thread(), not IS_FIRST
    for piece in pieces(feed) if IS_FIRST else items(feed):
        left = change(piece) if is_late else piece
        if left is not None:
            yield thread.through(left)
        is_late = is_late or piece.command == "PACKAGED"


def main(arguments: list[str] | None = None) -> int:
    """Pass standard input on, spoiled; return the exit status."""
    parser = argparse.ArgumentParser(description="Spoil one page that comes late.")
    parser.add_argument("fault", choices=list(FAULTS))
    change = FAULTS[parser.parse_args(arguments).fault]()
    try:
        pass_on(lambda feed: changed(feed, change))
    except (StreamError, BrokenPipeError) as error:
        print(f"postcopy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
