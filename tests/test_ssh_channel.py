# SPDX-License-Identifier: Apache-2.0
"""Nothing is sent on a channel after its CLOSE, also when the far end closes it in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from landfall.clock import Bell
from landfall.errors import HostLost
from landfall.host import LocalHost
from landfall.hosts import Wanted, opened
from landfall.ssh import SshHost
from landfall.ssh.channel import Channel, Transport
from landfall.ssh.connection import Connection

TWO = Path(__file__).parent / "hosts" / "two-loopback.toml"
SOON = 10.0
EOF_SENT, DATA_SENT = b"\x60", b"\x5e"
"""Types of messages (RFC 4254, 9)."""
UNTIL_FED = "read line; exit 7"

Way = Callable[[Channel], object]
WAYS: dict[bytes, Way] = {
    EOF_SENT: lambda channel: channel.shutdown_write(),
    DATA_SENT: lambda channel: channel.send(b"more\n"),
}


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Connect to a real sshd, to nobody else's harm."""
    with LocalHost() as here, opened(Wanted(inventory=str(TWO)), here) as pair:
        assert isinstance(pair.source, SshHost)
        other = Connection(pair.source._connection.login)
        yield other
        other.close()


def say_it_late(channel: Channel, kind: bytes, say: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say something that was decided on before the far end closed, and is sent after that."""
    transport, at_once = channel.transport, channel.transport._send_user_message
    closed: list[paramiko.Message] = []

    def send(message: paramiko.Message) -> None:
        if message.asbytes()[:1] == kind and not closed:
            closed.append(message)
            at_once(fed(channel))
            Bell().wait(
                lambda: channel.closed, within=SOON, what="the far end closes", look_every=0.01
            )
            paramiko_s_own_turn(transport)
        at_once(message)

    monkeypatch.setattr(transport, "_send_user_message", send)
    say(channel)
    assert closed


def fed(channel: Channel) -> paramiko.Message:
    """Make the message that ends the program at the far end."""
    message = paramiko.Message()
    message.add_byte(DATA_SENT)
    message.add_int(channel.remote_chanid)
    message.add_string("a line\n")
    return message


def paramiko_s_own_turn(transport: Transport) -> None:
    """Wait until paramiko's thread is through with the far end's CLOSE."""
    transport.global_request("keepalive@openssh.com", wait=True)


@pytest.mark.parametrize("kind", WAYS, ids=["eof", "data"])
def test_late_word_does_not_end_the_connection(
    connection: Connection, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the whole connection for a word on a channel that was closed before it."""
    channel = connection.session()
    channel.exec_command(UNTIL_FED)

    say_it_late(channel, kind, WAYS[kind], monkeypatch)

    after = connection.session()
    after.exec_command("exit 3")
    assert (channel.exit_status, after.recv_exit_status()) == (7, 3)


def test_connection_that_ends_says_why(connection: Connection) -> None:
    """The server's own words are told: here for a word on a channel that never was."""
    channel = connection.session()
    channel.remote_chanid += 40
    channel.shutdown_write()
    Bell().wait(
        lambda: not connection.alive, within=SOON, what="sshd ends the connection", look_every=0.01
    )

    with pytest.raises(HostLost, match=r"its connection ended: .*nonexistent channel"):
        connection.session()
