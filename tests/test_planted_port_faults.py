# SPDX-License-Identifier: Apache-2.0
"""What gets lost, or comes twice, at a serial port on real QEMU is convicted; so is a reset."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import pytest

from landfall.guest import Guest
from landfall.migration import migrate
from landfall.rebooting import await_boot
from landfall.serial_port import PORT, SerialEnd, talk
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu

LINES = 5
HIT = 40
"""Bytes, more than a line."""
BOOT = 60.0
"""Seconds a guest is given to boot."""
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


def end_of(vm: VM) -> SerialEnd:
    """Our end of the port."""
    end = vm.plugged[PORT.name]
    assert isinstance(end, SerialEnd)
    return end


@pytest.fixture
def pair(start: Start, linux: Guest) -> tuple[VM, VM]:
    """A guest with a port that has been moved, and has talked on both sides."""
    source, destination = start(guest=linux, memory=128, devices=(PORT,))
    talk(source, LINES)
    migrate(source, to=destination, via=TCP)
    talk(destination, LINES)
    return source, destination


def test_sound_port_breaks_nothing(pair: tuple[VM, VM], broken: Broken) -> None:
    """A conversation that goes on over a move breaks nothing."""
    assert len(pair) == 2
    assert broken() == {}


def test_bytes_that_were_dropped_are_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """Bytes of the guest's that do not come out are missed by their number."""
    source, _ = pair
    end = end_of(source)

    end.received = end.received[:-HIT] + end.received[-HIT // 2 :]

    assert "damaged" in broken()["ports"]


def test_lines_that_were_lost_are_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """Whole lines of the guest's that do not come out are missed by their number."""
    source, _ = pair
    end = end_of(source)
    lines = end.received.splitlines(keepends=True)

    end.received = b"".join(lines[:-2])

    assert "that the guest wrote never came out" in broken()["ports"]


def test_line_that_reached_the_guest_twice_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A line of ours that the guest is given again, and that nobody sent again, is seen."""
    _, destination = pair
    end = end_of(destination)
    body = f"{end.last.got:x}".encode()

    end._socket.send(body + b" *%08x\n" % zlib.crc32(body))

    assert "1 lines reached the guest again, and 0 were sent again" in broken()["ports"]


def test_reset_that_the_guest_did_not_ask_for_is_seen(pair: tuple[VM, VM], broken: Broken) -> None:
    """A machine that is reset under a guest which said nothing of it convicts.

    The reset may come in the middle of a statement, whose rest then spoils the next one: «boot».
    """
    _, destination = pair
    before = destination.line.heard[-1].statement.seq

    destination.qmp.execute("system_reset")
    destination.line.await_word(
        lambda: destination.line.heard[-1].statement.seq < before, BOOT, "to boot"
    )
    await_boot(destination)

    said = broken()["ownership"]
    assert re.search(r"on the destination statement 0x[0-9a-f]+ came after 0x", said)
