# SPDX-License-Identifier: Apache-2.0
"""What reading some bytes may cost at most: in calls and in memory, and not by the clock."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["TooMany", "calls_at_most", "memory_at_most"]


class TooMany(AssertionError):
    """More was done than there is any reason for."""


@contextmanager
def calls_at_most(most: int) -> Iterator[None]:
    """Raise when more functions are called than this, Python's or built in."""
    left = most

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left < 0:
                raise TooMany(f"more than {most} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def memory_at_most(most: int) -> Iterator[None]:
    """Raise when more memory was needed than this, in bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > most:
        raise TooMany(f"{peak} bytes, and {most} were allowed")
