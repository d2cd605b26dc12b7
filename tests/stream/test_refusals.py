# SPDX-License-Identifier: Apache-2.0
"""What is no stream, or not yet understood, is refused in words."""

from __future__ import annotations

import pytest

from landfall.stream import Flag, StreamError, parse
from tests.stream import made
from tests.stream.made import EOF, HEADER, PAGE, full, item, ram, ram_start

BLOCK = ("pc.ram", 16 * PAGE)
RAM = HEADER + ram_start(BLOCK)
FIRST_ITEM = len(RAM) + 5
"""Where the first item of a section after `RAM` is."""
DESCRIBED = HEADER + EOF + made.description()


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        pytest.param(b"", 0, "magic number", id="empty"),
        pytest.param(b"QEVN\0\0\0\3\0", 0, "QEVM", id="magic"),
        pytest.param(b"QEVM\0\0\0\2\0", 4, "version", id="version"),
        pytest.param(HEADER, 8, "EOF", id="no EOF"),
        pytest.param(HEADER + b"\5", 8, "0x05 is no section", id="stray subsection"),
        pytest.param(HEADER + EOF + b"\0", 9, "follows EOF", id="two EOFs"),
        pytest.param(DESCRIBED + b"x", len(DESCRIBED), "goes on", id="more after the description"),
        pytest.param(DESCRIBED[:-1], 14, "bytes wanted", id="cut description"),
        pytest.param(HEADER + made.command(99), 8, "99 is no command", id="command"),
        pytest.param(HEADER + b"\2\0\0\0\7", 8, "7 was not started", id="unknown section"),
        pytest.param(HEADER + full(5, "", b""), 14, "is no name", id="nameless device"),
        pytest.param(
            HEADER + full(5, "disk", b"x", end=b"") + EOF, 26, "no footer ends disk", id="footer"
        ),
        pytest.param(
            RAM + ram(item(Flag.HOOK, 0, b"", "pc.ram")), FIRST_ITEM, "flags 0x80", id="RDMA"
        ),
        pytest.param(
            RAM + ram(item(Flag.ZERO, 0, b"\0", "pc.rom")),
            FIRST_ITEM + 8, "pc.rom was not announced", id="unknown block",
        ),
        pytest.param(
            RAM + ram(item(Flag.ZERO, 0, b"\0")), FIRST_ITEM, "none before", id="no block"
        ),
        pytest.param(
            RAM + ram(item(Flag.ZERO, 1 << 30, b"\0", "pc.ram")),
            FIRST_ITEM, "beyond the block pc.ram", id="far page",
        ),
        pytest.param(
            RAM + ram(end=made.footer(3)), FIRST_ITEM + 8, "no footer of ram", id="wrong footer"
        ),
        pytest.param(RAM + ram()[:9], FIRST_ITEM, "ends in or behind", id="cut section"),
        pytest.param(RAM + ram_start(BLOCK), len(RAM) + 17, "do not add up", id="blocks twice"),
    ],
)  # fmt: skip
def test_errors_say_where(data: bytes, offset: int, words: str) -> None:
    """What is no stream is refused, with the offset and the reason."""
    with pytest.raises(StreamError, match=words) as caught:
        parse(data)

    assert caught.value.offset == offset
