# SPDX-License-Identifier: Apache-2.0
"""Differences of pages, as xbzrle sends them, make of one page another."""

from __future__ import annotations

import pytest

from landfall.stream import StreamError
from landfall.stream.xbzrle import applied, delta, sent

PAGE = bytes(4096)


def test_runs_are_put_in_their_places() -> None:
    """Bytes that are alike are passed over, new ones are put in their place."""
    new = applied(b"\x02\x03abc" + b"\x01\x01z", PAGE)

    assert new[:8] == b"\0\0abc\0z\0"
    assert len(new) == len(PAGE)


def test_long_run_has_two_bytes_of_length() -> None:
    """A length of 128 and more has its lower seven bits first."""
    assert applied(b"\xff\x1f\x01x", PAGE)[-1:] == b"x"


def test_no_runs_change_nothing() -> None:
    """An empty difference leaves the page as it is."""
    assert applied(b"", b"x" * 4096) == b"x" * 4096
    assert delta(b"") == b"\x01\0\0"


def test_difference_is_what_was_sent() -> None:
    """What an item says is the encoding, a length, and the runs."""
    assert sent(delta(b"\x02\x01x")) == b"\x02\x01x"


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (b"\x00\x00", "0 new bytes"),
        (b"\xff\x1f\x02xy", "2 new bytes at 0xfff of a page"),
        (b"\x01\x02x", "new bytes: 2 bytes wanted, 1 left"),
        (b"\x80\x80\x01", "more than two bytes"),
        (b"\x01", "a run's length"),
    ],
)
def test_runs_that_do_not_fit_are_told(runs: bytes, said: str) -> None:
    """The error says what is wrong with a difference."""
    with pytest.raises(StreamError, match=said):
        applied(runs, PAGE)


def test_other_encoding_is_told() -> None:
    """There is one encoding; another is no difference that can be read."""
    with pytest.raises(StreamError, match="an encoding 2"):
        sent(b"\x02\0\0")
