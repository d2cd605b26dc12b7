# SPDX-License-Identifier: Apache-2.0
"""Leave a page of the guest's as it was: a filter for --through, under xbzrle.

    ./landfall qualify --through 'python tests/filters/xbzrle.py empty' suites/test_capabilities.py

Under xbzrle a page that is sent again is sent as its difference. It reads the whole stream, takes
the last difference of a page that had another generation of the guest's pattern before, spoils
it, writes the stream, and says on standard error what it did. Exit status 1 where there is none.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from landfall.stream import Edit, Flag, Item, Stream, StreamError, parse
from landfall.stream.owned import generation
from landfall.stream.xbzrle import applied, delta, sent

__all__ = ["FAULTS", "main"]


class Nothing(Exception):
    """No page is as the fault needs it."""


class Stale(NamedTuple):
    """The last of a page that was sent, as a difference, and what it made of the page."""

    item: Item
    after: Item | None
    """What follows it, if that has to name its block once it is gone."""
    old: int
    new: int


def cat(_stream: Stream) -> tuple[list[Edit], str]:
    """Write the stream as it came."""
    return [], "changed nothing"


def empty(stream: Stream) -> tuple[list[Edit], str]:
    """Say of a page that it does not differ from what it was."""
    item, _, old, new = stale(stream)
    edit = Edit(item.payload, item.end, delta(b""))
    return [edit], f"emptied the difference of {where(item)}: {new} stays {old}"


def drop(stream: Stream) -> tuple[list[Edit], str]:
    """Say nothing of a page that had changed."""
    item, after, old, new = stale(stream)
    edits = [Edit(item.offset, item.end)]
    if after is not None:
        name = item.block.encode("ascii")
        word = (after.address | after.flag).to_bytes(8)
        edits.append(Edit(after.offset, after.offset + 8, word + bytes([len(name)]) + name))
    return edits, f"dropped the difference of {where(item)}: {new} stays {old}"


FAULTS: dict[str, Callable[[Stream], tuple[list[Edit], str]]] = {
    "cat": cat,
    "empty": empty,
    "drop": drop,
}


def where(item: Item) -> str:
    """Name the page that an item is about."""
    return f"page 0x{item.address:x} of {item.block}"


def stale(stream: Stream) -> Stale:
    """Return the first page whose last difference made a generation of another."""
    last: dict[tuple[str, int], Stale | None] = {}
    for item, after, before, now in contents(stream):
        old, new = generation(before), generation(now)
        is_one = item.flag == Flag.XBZRLE and old is not None and new not in (None, old)
        page = item.block, item.address
        last[page] = Stale(item, after, old or 0, new or 0) if is_one else None
    found = next(filter(None, last.values()), None)
    if found is None:
        raise Nothing("no page of a guest of ours was last sent as a difference")
    return found


def contents(stream: Stream) -> Iterator[tuple[Item, Item | None, bytes, bytes]]:
    """Yield each item about a page, what follows it in its block, its page before, and now."""
    pages: dict[tuple[str, int], bytes] = {}
    items = [item for item in stream.pages() if item.block]
    for item, after in zip(items, [*items[1:], None], strict=True):
        page, payload = (item.block, item.address), bytes(stream.data[item.payload : item.end])
        before = pages.get(page, bytes(4096))
        if item.flag == Flag.XBZRLE:
            pages[page] = applied(sent(payload), before)
        else:
            pages[page] = payload if item.flag == Flag.PAGE else bytes(4096)
        names = after is not None and after.continues and not item.continues
        yield item, after if names else None, before, pages[page]


def main(arguments: list[str] | None = None) -> int:
    """Spoil standard input; return the exit status."""
    parser = argparse.ArgumentParser(description="Leave a page of the guest's as it was.")
    parser.add_argument("fault", choices=list(FAULTS))
    fault = FAULTS[parser.parse_args(arguments).fault]
    try:
        stream = parse(sys.stdin.buffer.read())
        edits, said = fault(stream)
        stream.write(sys.stdout.buffer, edits)
        sys.stdout.buffer.flush()
    except (Nothing, StreamError, BrokenPipeError) as error:
        print(f"xbzrle: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the flush at exit
        return 1
    print(f"xbzrle: {said}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
