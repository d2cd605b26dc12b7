# SPDX-License-Identifier: Apache-2.0
"""The bridge is a real one: it learns, is listened to without loss, and leaves nothing."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from landfall.announce import packet
from landfall.clock import Bell
from landfall.errors import HarnessError, Missing
from landfall.host import LocalHost
from landfall.network import bridge as bridge_module
from landfall.network.bridge import Bridge, guest_address
from landfall.network.echo import ECHO_PORT, gaps, pings
from landfall.network.evidence import BLACKOUT, CAPTURE, PLOT
from landfall.network.facts import Network
from landfall.network.traffic import Stream
from landfall.reactor import Reactor

pytestmark = pytest.mark.qemu

MAC = "52:54:00:12:34:50"
HERE, THERE = "source", "destination"
AWAY = 0.08
"""Seconds that the played guest is away."""
BUSY = 0.5
"""Seconds more that a busy machine may need to have it appear."""
SOME = 50
TUNGETIFF, IFF_VNET_HDR = 0x800454D2, 0x4000
"""linux/if_tun.h"""


@dataclass
class Guest:
    """A guest that is played: a side's own bridge has its MAC and its address, and echoes."""

    bridge: Bridge
    taps: dict[str, int] = field(default_factory=dict)

    def plug(self) -> None:
        """Give each side a tap, as a VM's card would."""
        for side in (HERE, THERE):
            self.taps[side], ear = self.bridge.plug(side, header=False)
            os.close(ear)

    def appear(self, side: str) -> None:
        """Run on a side: have the address there, say so, and echo."""
        address = f"address add {guest_address(MAC)}/8 dev br0"
        self.bridge.ip(side, f"link set br0 address {MAC}", address)
        kind = int(socket.SOCK_DGRAM)
        ours = socket.socket(fileno=self.bridge._get("socket", kind=kind, room=side)[0])
        ours.bind(("", ECHO_PORT))
        threading.Thread(target=_echo, args=(ours,), daemon=True).start()
        os.write(self.taps[side], packet(MAC))

    def vanish(self, side: str) -> None:
        """Run there no longer."""
        self.bridge.ip(side, "link set br0 address 02:00:00:00:00:01", "address flush dev br0")


def _echo(ours: socket.socket) -> None:
    ours.settimeout(5.0)
    with ours:
        try:
            while True:
                ours.sendto(*ours.recvfrom(2048))
        except OSError:
            return


@pytest.fixture
def made(host: LocalHost, reactor: Reactor, tmp_path: Path) -> Iterator[Bridge]:
    """A bridge."""
    bridge = Bridge(host, reactor, Bell(), tmp_path)
    yield bridge
    bridge.finish()


@pytest.fixture
def guest(made: Bridge) -> Iterator[Guest]:
    """A played guest with a tap on each side."""
    played = Guest(made)
    played.plug()
    yield played
    for tap in played.taps.values():
        os.close(tap)


def away(guest: Guest, reactor: Reactor, seconds: float) -> Network:
    """Have the played guest go from one side to the other; return what was seen."""
    bridge = guest.bridge
    guest.appear(HERE)
    stream = Stream(bridge._socket(socket.SOCK_DGRAM), reactor, guest_address(MAC))
    Bell().wait(lambda: bridge._capture.counts[HERE] > SOME, within=5.0, what="echoes")
    guest.vanish(HERE)
    gone = time.monotonic()
    Bell().wait(
        lambda: time.monotonic() >= gone + seconds, within=5.0, what="time", look_every=0.001
    )
    guest.appear(THERE)
    Bell().wait(lambda: bridge._capture.counts[THERE] > SOME, within=5.0, what="echoes")
    stream.stop()
    bridge.finish()
    return bridge.seen


def test_entry_moves_with_a_frame(guest: Guest) -> None:
    """The bridge sends a MAC's frames to the port that the last frame of it came from."""
    for side in (HERE, THERE, HERE):
        os.write(guest.taps[side], packet(MAC))

        Bell().wait(
            lambda side=side: guest.bridge.port_of(MAC) == side,  # type: ignore[misc]
            within=2.0,
            what=f"the entry to lead to the {side}",
        )


def test_every_frame_is_captured_once(guest: Guest, tmp_path: Path) -> None:
    """What enters the bridge is captured with its port, once and in order, and kept as a file."""
    frames = [packet(MAC)[:40] + bytes([0, n]) + bytes(18) for n in range(200)]
    for frame in frames:
        os.write(guest.taps[HERE], frame)
    Bell().wait(lambda: guest.bridge._capture.counts[HERE] == 200, within=2.0, what="frames")

    guest.bridge.finish()

    seen = [frame for frame in guest.bridge.seen.frames if frame.port == HERE]
    assert [frame.content for frame in seen] == frames
    assert sorted(frame.at for frame in seen) == [frame.at for frame in seen]
    assert list(packets(tmp_path / CAPTURE))[-1] == frames[-1]


def packets(path: Path) -> Iterator[bytes]:
    """Yield the frames of a pcapng file."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            kept = struct.unpack_from("<I", data, at + 20)[0]
            yield data[at + 28 : at + 28 + kept]
        assert data[at : at + size][-4:] == struct.pack("<I", size)
        at += size


@pytest.mark.parametrize("seconds", [AWAY, 4 * AWAY], ids=["short", "long"])
def test_blackout_is_measured(
    guest: Guest, reactor: Reactor, tmp_path: Path, seconds: float
) -> None:
    """A guest that is away is away that long on the wire, and what was sent to it is lost."""
    seen = away(guest, reactor, seconds)

    (gap,) = gaps(asked := pings(seen.frames))
    assert (gap.source, gap.destination) == (HERE, THERE)
    assert seconds <= gap.seconds <= seconds + BUSY
    unanswered = [p for p in asked if not p.echoes and gap.last < p.sent < gap.first]
    assert gap.lost == len(unanswered) > 0
    assert f"no echo for {gap.seconds * 1000:.1f} ms" in (tmp_path / PLOT).read_text()
    assert json.loads((tmp_path / BLACKOUT).read_text())["blackout_ms"]["count"] == 1


@pytest.mark.parametrize("has_header", [False, True], ids=["plain", "vnet-header"])
def test_tap_has_a_header_where_it_should(made: Bridge, *, has_header: bool) -> None:
    """QEMU, which asks the tap it inherits, finds a header on those that shall have one."""
    tap, ear = made.plug(HERE, header=has_header)
    os.close(ear)

    flags = struct.unpack("16sH22x", fcntl.ioctl(tap, TUNGETIFF, bytes(40)))[1]

    assert bool(flags & IFF_VNET_HDR) is has_header
    os.close(tap)


def test_nothing_is_left_of_a_bridge(guest: Guest, host: LocalHost) -> None:
    """A bridge that is finished has no process any more, and its taps go nowhere."""
    guest.bridge.finish()

    assert host.strays() == {}
    assert subprocess.run(["ip", "netns"], capture_output=True, check=True).stdout == b""


def test_machine_without_namespaces_is_unable(
    host: LocalHost, reactor: Reactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no network of its own can be made, the reason is told."""

    def refused(_bridge: Bridge) -> None:
        raise HarnessError("a user namespace: Operation not permitted")

    monkeypatch.setattr(Bridge, "_answer", refused)

    with pytest.raises(Missing, match="no network of its own can be made here: a user namespace"):
        Bridge(host, reactor, Bell(), tmp_path)
    assert host.strays() == {}


def test_machine_without_taps_is_unable(
    host: LocalHost, reactor: Reactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no tap can be made, the reason is told and what to do."""
    monkeypatch.setattr(bridge_module, "TUN", tmp_path / "tun")

    with pytest.raises(Missing, match="load the module tun"):
        Bridge(host, reactor, Bell(), tmp_path)
