# SPDX-License-Identifier: Apache-2.0
"""The port mapper tells where its server of NFS is, says yes to who registers, and no more."""

from __future__ import annotations

import socket
import struct

import pytest

from landfall.reactor import Reactor
from landfall.storage.port_mapper import PORT, PortMapper

NFS, MOUNT, MAPPER = 100003, 100005, 100000
NULL, SET, UNSET, GET_PORT, DUMP = range(5)
NUMBER = 7
ACCEPTED = struct.pack(">6I", NUMBER, 1, 0, 0, 0, 0)
LONG = b"a credential of an odd length"


def call(version: int, procedure: int, *words: int, credential: bytes = b"") -> bytes:
    """Return a call as a client sends it."""
    padded = credential + bytes(-len(credential) % 4)
    head = struct.pack(">6I", NUMBER, 0, 2, MAPPER, version, procedure)
    told = struct.pack(">2I", 1, len(credential)) + padded + struct.pack(">2I", 0, 0)
    return head + told + struct.pack(f">{len(words)}I", *words)


@pytest.fixture
def mapper(reactor: Reactor) -> PortMapper:
    """A port mapper that does not listen yet."""
    return PortMapper(reactor, {NFS: 2050, MOUNT: 2051})


@pytest.mark.parametrize(("program", "port"), [(NFS, 2050), (MOUNT, 2051), (100021, 0)])
@pytest.mark.parametrize("credential", [b"", LONG], ids=["none", "unix"])
def test_port_is_told(mapper: PortMapper, program: int, port: int, credential: bytes) -> None:
    """Who asks for a program is told its port, and 0 where there is none."""
    answer = mapper.answer(call(2, GET_PORT, program, 3, 6, 0, credential=credential))

    assert answer == ACCEPTED + port.to_bytes(4)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_who_registers_is_told_yes(mapper: PortMapper, version: int) -> None:
    """Who registers, or withdraws, in any version is told that it is done."""
    assert mapper.answer(call(version, NULL)) == ACCEPTED
    assert mapper.answer(call(version, SET)) == ACCEPTED + (1).to_bytes(4)
    assert mapper.answer(call(version, UNSET)) == ACCEPTED + (1).to_bytes(4)


@pytest.mark.parametrize(("version", "procedure"), [(2, DUMP), (4, GET_PORT)])
def test_nothing_else_is_answered(mapper: PortMapper, version: int, procedure: int) -> None:
    """What it does not know it says it does not know."""
    assert mapper.answer(call(version, procedure)) == struct.pack(">6I", NUMBER, 1, 0, 0, 0, 3)


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.0\r\n\r\n", b"\x80\0\0\4what", bytes(99)])
def test_rubbish_is_hung_up_on(reactor: Reactor, mapper: PortMapper, rubbish: bytes) -> None:
    """A peer that speaks something else is hung up on, and the next one is answered."""
    try:
        mapper.listen("127.111.0.1")
    except OSError as error:
        pytest.skip(f"port {PORT}: {error}")
    question = call(2, GET_PORT, NFS, 3, 6, 0)
    with socket.create_connection(("127.111.0.1", PORT), 5.0) as peer:
        peer.sendall(rubbish)
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
    with socket.create_connection(("127.111.0.1", PORT), 5.0) as peer:
        peer.sendall((len(question) | 1 << 31).to_bytes(4) + question)
        assert peer.recv(99)[-4:] == (2050).to_bytes(4)
    mapper.close()
