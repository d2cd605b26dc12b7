# SPDX-License-Identifier: Apache-2.0
"""Change one byte of what a guest's memory load wrote: a filter, as mutate.py.

The words of such a page count up by one; the lower half of each has its highest bit set
(guests/linux/agent/stress.c, MARK).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from landfall.stream import Edit, Flag, Item, Stream, parse

__all__ = ["main"]

MARK = 1 << 31
PAGE_OF_WORDS = 512


def _last_copies(stream: Stream) -> Iterator[Item]:
    seen = set()
    for section in reversed(stream.sections):
        for item in reversed(section.items):
            if item.flag == Flag.PAGE and (item.block, item.address) not in seen:
                seen.add((item.block, item.address))
                yield item


def _is_loads(stream: Stream, item: Item) -> bool:
    words = array("Q", bytes(stream.data[item.payload : item.end]))
    if sys.byteorder == "big":
        words.byteswap()
    first = words[0]
    aligned = first & MARK and not first % PAGE_OF_WORDS
    return bool(aligned) and words == array("Q", range(first, first + len(words)))


def main() -> int:
    """Spoil standard input; return the exit status."""
    data = sys.stdin.buffer.read()
    stream = parse(data)
    item = next((i for i in _last_copies(stream) if _is_loads(stream, i)), None)
    if item is None:
        print("spoil-load: no page holds what a memory load writes", file=sys.stderr)
        return 1
    at = (item.payload + item.end) // 2
    for piece in stream.pieces([Edit(at, at + 1, bytes([data[at] ^ 0xFF]))]):
        sys.stdout.buffer.write(piece)
    print(f"spoil-load: flipped a byte of page {item.address:#x} at {at:#x}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
