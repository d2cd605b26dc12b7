# SPDX-License-Identifier: Apache-2.0
"""A network that does not follow the guest is noticed: the bridge oracle bites on real QEMU."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from landfall import guest
from landfall.announce import Announce
from landfall.announcing import announced, ask_to_announce
from landfall.errors import PromiseBroken
from landfall.host import LocalHost
from landfall.migration import migrate
from landfall.network.bridge import Bridge
from landfall.network.tap import WiredNic
from landfall.network.traffic import Lines
from landfall.reactor import Reactor
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.vm import VM
from tests.conftest import ROOT

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
QUICK = Announce(rounds=2, initial=20, step=1, max=20)


@pytest.fixture
def pair(start: Start, wired_nic: WiredNic) -> tuple[VM, VM]:
    """A source that has announced its guest, and its destination; the guest itself is silent."""
    source, destination = start(devices=(wired_nic,), announce=QUICK)
    ask_to_announce(source, QUICK)
    assert announced(source) == {"nic0": QUICK.rounds}
    return source, destination


def test_sound_network_is_kept(pair: tuple[VM, VM], bridge: Bridge, broken: Broken) -> None:
    """Where nothing is planted, the entry moves and nothing is said."""
    source, destination = pair
    assert bridge.port_of("52:54:00:12:34:50") == "source"

    migrate(source, to=destination, via=TCP)

    assert announced(destination) == {"nic0": QUICK.rounds}
    assert bridge.port_of("52:54:00:12:34:50") == "destination"
    assert broken() == {}


def test_announcements_that_are_not_made_are_missed(pair: tuple[VM, VM], broken: Broken) -> None:
    """A destination that was told behind our back to announce nothing leaves the bridge astray."""
    source, destination = pair
    destination.qmp.execute("migrate-set-parameters", {"announce-rounds": 0})

    migrate(source, to=destination, via=TCP)

    assert "still leads to the source, and so does whatever is sent to the" in broken()["bridge"]


def test_port_that_is_down_is_seen(pair: tuple[VM, VM], bridge: Bridge, broken: Broken) -> None:
    """A destination that is cut off from the bridge is missed there, though QEMU announced it."""
    source, destination = pair
    bridge.ip("bridge", "link set destination down")

    migrate(source, to=destination, via=TCP)

    assert announced(destination) == {"nic0": QUICK.rounds}
    assert "nothing of it entered the bridge there" in broken()["bridge"]


def test_bridge_that_does_not_learn_is_seen(
    pair: tuple[VM, VM], bridge: Bridge, broken: Broken
) -> None:
    """A port that the bridge does not learn from lets frames in, and the entry stays."""
    source, destination = pair
    bridge.ip("bridge", "link set destination type bridge_slave learning off")

    migrate(source, to=destination, via=TCP)

    said = broken()["bridge"]
    assert "2 frames of the guest's entered the bridge from the destination" in said
    assert "the entry for 52:54:00:12:34:50 still leads to the source" in said


def test_host_that_speaks_for_the_guest_is_seen(
    pair: tuple[VM, VM], bridge: Bridge, broken: Broken
) -> None:
    """A host that speaks with the guest's MAC takes the guest's traffic away."""
    source, destination = pair
    migrate(source, to=destination, via=TCP)
    bridge.ip("source", "link set br0 address 52:54:00:12:34:50", "address add 10.9.9.9/8 dev br0")

    descriptor = bridge._get("socket", kind=int(socket.SOCK_DGRAM), room="source")[0]
    with socket.socket(fileno=descriptor) as stranger:
        stranger.sendto(b"anybody there?", ("10.0.0.1", 9))
    bridge._bell.wait(
        lambda: bridge.port_of("52:54:00:12:34:50") == "source", within=5.0, what="the entry"
    )

    assert "from the source, where the guest did not run" in broken()["bridge"]


def test_guest_that_does_not_answer_is_seen(
    start: Start, host: LocalHost, bridge: Bridge, wired_nic: WiredNic, broken: Broken
) -> None:
    """A Linux that cannot be reached any more is missed by whoever talked to it."""
    linux = guest.load("linux-64", ROOT / "guests", host)
    source, destination = start(guest=linux, memory=linux.memory, devices=(wired_nic,))
    bridge.talk_to(wired_nic.mac, at="source")
    bridge.ip("bridge", "link set third down")

    migrate(source, to=destination, via=TCP)

    with pytest.raises(PromiseBroken, match="guest to answer the third host from the destination"):
        bridge.await_answers(by="destination")
    said = broken()["bridge"]
    assert "lines were sent and" in said
    assert "came back" in said


def test_connection_that_is_reset_is_told(stage: Stage, reactor: Reactor) -> None:
    """A connection that the other end resets is told of, with the kernel's word for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines = Lines(socket.socket(), reactor, stage.bell.ring)
        reactor.run(reactor.loop.sock_connect(lines._socket, server.getsockname()), 5.0)
        reactor.call(lambda: reactor.loop.add_reader(lines._socket, lines._hear))
        reactor.call(lines._speak)
        taken, _ = server.accept()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        taken.close()  # unread bytes and no lingering: a reset
    stage.bell.wait(lambda: lines.ended, within=5.0, what="the connection's end")

    assert lines.close().ended.startswith(("ECONNRESET", "EPIPE"))
