# SPDX-License-Identifier: Apache-2.0
"""A relay can tell from a stream's tail that the source has sent everything."""

from __future__ import annotations

import time

import pytest

from landfall.stream import is_whole
from tests.stream import made

WHOLE = made.whole()
MIB = 1 << 20


LEAST = len(made.EOF) + len(WHOLE) - WHOLE.rindex(b"\0\6") - 1
"""Bytes of the shortest tail that has EOF and all of the description."""


@pytest.mark.parametrize("size", [len(WHOLE), LEAST + 1, LEAST])
def test_whole(size: int) -> None:
    """A tail that holds EOF and a description that reaches its end is whole."""
    assert is_whole(WHOLE[-size:])
    assert not is_whole(WHOLE[-LEAST + 1 :])


def test_any_buffer() -> None:
    """A tail may be bytes, a bytearray, or a view of either."""
    assert is_whole(bytearray(WHOLE))
    assert is_whole(memoryview(WHOLE))


@pytest.mark.parametrize("missing", [1, 2, 9, 100, LEAST - 6, LEAST - 1, LEAST, LEAST + 1])
def test_not_whole(missing: int) -> None:
    """A tail from which even one byte is missing is not whole."""
    assert not is_whole(WHOLE[:-missing])


def test_nothing_may_follow() -> None:
    """A tail with a byte after the description is not whole."""
    assert not is_whole(WHOLE + b"}")


@pytest.mark.parametrize(
    "text", [b'{"devices": {}}', b'["devices"]', b'{"other": []}', b'{"devices": [}'], ids=str
)
def test_only_a_description(text: bytes) -> None:
    """What fits in length but is no description does not make a stream whole."""
    assert not is_whole(b"\0\6" + len(text).to_bytes(4) + text)


@pytest.mark.parametrize("start", range(6))
def test_description_alone(start: int) -> None:
    """A description whose lead is not all there does not make a stream whole."""
    tail = made.EOF + made.description()

    assert is_whole(tail[start:]) == (start == 0)


def test_cheap() -> None:
    """A mebibyte without an end costs less than two milliseconds, JSON-like or not."""
    tails = [b"x" * MIB, bytes(MIB), b'\0\6\0\x10\0\0{"devices": [' + b" " * MIB]

    began = time.process_time()
    answers = [is_whole(tail) for tail in tails * 10]

    assert not any(answers)
    assert time.process_time() - began < 0.002 * len(answers)
