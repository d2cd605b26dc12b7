# SPDX-License-Identifier: Apache-2.0
"""The guest's word is read exactly, and nothing else passes for it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.statement import Garbled, parse


def signed(text: str) -> bytes:
    """Return a line with its checksum."""
    return f"{text} *{zlib.crc32(text.encode()):08x}".encode()


def test_statement_is_read_whole() -> None:
    """Numbers are hexadecimal, texts are texts, and the line is kept."""
    statement = parse(signed("@1f beat tsc=ff rtc=123456 cpu=1"))

    assert (statement.seq, statement.kind) == (0x1F, "beat")
    assert statement["tsc"] == 0xFF
    assert statement.texts["rtc"] == "123456"
    assert str(statement) == "@1f beat tsc=ff rtc=123456 cpu=1"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"SeaBIOS (version 1.16)",
        b"@1 beat tsc=1",
        b"@1 beat tsc=1 *00000000",
        b"@1 beat tsc=1 *zzzzzzzz",
        signed("beat tsc=1"),
        signed("@xyz beat tsc=1"),
        signed("@1 beat tsc=zebra"),
        signed("@1"),
        signed("@1 beat tsc=1")[3:],
    ],
)
def test_what_is_no_statement_is_garbled(line: bytes) -> None:
    """A line without its mark, its number, its numbers or its checksum is refused."""
    with pytest.raises(Garbled):
        parse(line)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_garbled(line: bytes) -> None:
    """Whatever bytes a broken guest may say, they are garbled, and nothing worse."""
    with pytest.raises(Garbled):
        parse(line)


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=0, max_value=7))
def test_one_wrong_bit_is_noticed(position: int, bit: int) -> None:
    """A statement with one bit changed is never read as another statement."""
    line = bytearray(signed("@2a verified id=7 pages=1f47 bad=0 gen=2 and=more and=yet more=1"))
    line[position] ^= 1 << bit

    with pytest.raises(Garbled):
        parse(bytes(line))
