# SPDX-License-Identifier: Apache-2.0
"""A host behind a real sshd, with sh and coreutils and nothing else, does what a host must."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from qemu.qmp import Message

from landfall import clock_offset
from landfall.clock import Bell
from landfall.errors import HarnessError, HostLost, Missing
from landfall.host import LocalHost
from landfall.hosts import Wanted, opened
from landfall.qmp import QMP
from landfall.reactor import Reactor
from landfall.ssh import SshHost

TWO = Path(__file__).parent / "hosts" / "two-loopback.toml"
SOON = 10.0
"""Seconds after which nothing may be left there of a run that is gone."""
SESSIONS = 14
"""More than sshd lets into one connection (MaxSessions)."""


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalHost]:
    """Hold this machine, as a run does."""
    with LocalHost() as here:
        yield here


@pytest.fixture(scope="module")
def far(runner: LocalHost) -> Iterator[SshHost]:
    """Connect to a host behind ssh."""
    with opened(Wanted(inventory=str(TWO)), runner) as pair:
        assert isinstance(pair.source, SshHost)
        yield pair.source


@pytest.fixture
def folder(far: SshHost) -> Path:
    """Make a folder there."""
    return far.folder("test")


def await_that(condition: object, what: str) -> None:
    """Wait until something holds."""
    assert callable(condition)
    Bell().wait(condition, within=SOON, what=what, look_every=0.02)


def test_command_is_run_to_its_end(far: SshHost) -> None:
    """Status, both outputs and what it is fed pass unharmed, whatever the words are."""
    words = ["sh", "-c", 'cat; printf "%s" "$1" >&2; exit 3', "sh", "it's «$HOME» \\ `x`\n"]

    done = far.run(words, SOON, stdin="fed\n")

    assert (done.status, done.output, done.errors) == (3, "fed\n", words[-1])


def test_command_that_is_not_there_is_told(far: SshHost) -> None:
    """A program that the host does not have is an error that names it and the host."""
    with pytest.raises(HarnessError, match="python3 on alpha"):
        far.run(["python3"], SOON)


def test_command_that_does_not_end_is_told(far: SshHost) -> None:
    """A command is waited for as long as was said, and no longer."""
    with pytest.raises(HarnessError, match=r"sleep on alpha did not end in 0\.2 s"):
        far.run(["sleep", "60"], 0.2)

    far.end_strays()


def test_process_is_watched(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """A process tells its number, what it says, and how it ended."""
    process = far.spawn(
        ["sh", "-c", "echo here; exec sleep 60"], cwd=folder, errors=tmp_path / "said"
    )
    assert process.alive
    assert list(far.strays()) == [process.pid]

    process.signal(signal.SIGTERM)

    assert select.select([process.pidfd], [], [], SOON)[0]
    assert process.wait(SOON) == -signal.SIGTERM
    assert (tmp_path / "said").read_text() == "here\n"
    assert process.end() == -signal.SIGTERM
    assert far.strays() == {}


def test_process_and_its_children_are_ended(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """What a process started is ended with it."""
    process = far.spawn(
        ["sh", "-c", "sleep 60 & sleep 60; :"], cwd=folder, errors=tmp_path / "said"
    )
    await_that(lambda: len(far.children(process.pid)) == 2, "both to have started")

    process.end_all()

    await_that(lambda: not far.strays(), "both to be gone")


def test_strays_are_ended(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """A process that left its session is found by its mark."""
    process = far.spawn(["sleep", "60"], cwd=folder, errors=tmp_path / "said")

    far.end_strays()

    assert process.wait(SOON) == -signal.SIGKILL
    process.end()


def test_process_is_spoken_with(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """A pair of FIFOs there is one socket here."""
    talk = far.channel(folder, "talk")
    words = ["sh", "-c", "cat <talk.in >talk.out"]
    process = far.spawn(words, cwd=folder, errors=tmp_path / "said", channels=[talk])

    talk.socket.setblocking(True)  # noqa: FBT003 - the standard library's own signature
    talk.socket.sendall(b"\0\xffhello\n")

    assert talk.socket.recv(64) == b"\0\xffhello\n"
    process.end_all()
    talk.close()


def test_what_cannot_be_handed_on_is_missing(
    far: SshHost, runner: LocalHost, folder: Path, tmp_path: Path
) -> None:
    """A socket of the runner's cannot be had there: the scenario is unable."""
    channel = runner.channel(tmp_path, "qmp")

    with pytest.raises(Missing, match="cannot be handed to a process on alpha"):
        far.spawn(["true"], cwd=folder, errors=tmp_path / "said", channels=[channel])

    channel.close()


def test_files_are_copied(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """A file comes there and back as it was; one that is not there is told."""
    content = os.urandom(3 << 20)
    (tmp_path / "ours").write_bytes(content)

    far.copy_to(tmp_path / "ours", folder / "it's there")

    assert far.fetch(folder / "it's there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert not far.fetch(folder / "nothing", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_remains_are_told(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """What is in a folder is told with its kind, hidden files too."""
    (tmp_path / "empty").touch()
    far.copy_to(tmp_path / "empty", folder / ".hidden one")
    far.fifo(folder / "stream.fifo")

    found = {one.name: one.is_fifo for one in far.remains(folder)}

    assert found == {".hidden one": False, "stream.fifo": True}


def test_fifo_passes_a_stream(far: SshHost, folder: Path) -> None:
    """What is written at one end of a FIFO there is read at the other, to its end."""
    fifo = far.fifo(folder / "stream.fifo")
    reader, writer = fifo.read(), fifo.write()
    for end in (reader, writer):
        end.setblocking(True)  # noqa: FBT003

    writer.sendall(b"stream")
    writer.close()

    assert reader.recv(64) == b"stream"
    assert reader.recv(64) == b""
    reader.close()


def test_fifo_without_a_writer_keeps_nobody(far: SshHost, folder: Path) -> None:
    """Who waits at a FIFO that nobody writes goes when its socket is closed."""
    reader = far.fifo(folder / "stream.fifo").read()
    await_that(lambda: far.strays(), "a reader")

    reader.close()

    await_that(lambda: not far.strays(), "the reader to be gone")


def test_more_sessions_than_one_connection_has(far: SshHost, folder: Path, tmp_path: Path) -> None:
    """Where sshd lets no more sessions in, another connection is made."""
    started = [
        far.spawn(["sleep", "60"], cwd=folder, errors=tmp_path / "said") for _ in range(SESSIONS)
    ]

    assert all(process.alive for process in started)

    far.end_strays()
    assert {process.end() for process in started} == {-signal.SIGKILL}


def test_connection_lasts_longer_than_a_key_of_paramikos(
    far: SshHost, folder: Path, tmp_path: Path
) -> None:
    """More than 512 MiB pass one connection, channels that are closed meanwhile and all."""
    far.run(["sh", "-c", f"head -c {64 << 20} /dev/zero >{folder}/much"], SOON)

    for _ in range(9):
        assert far.fetch(folder / "much", tmp_path / "much")
        assert far.run(["true"], SOON).status == 0


def test_clock_is_compared(far: SshHost) -> None:
    """The same machine's clock is found to be ours, within what is said of it."""
    assert 0 < far.uncertainty < 0.5
    assert far.ahead is not None
    assert abs(far.ahead) <= far.uncertainty


def test_clock_that_keeps_no_time_is_not_believed(
    far: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose seconds last longer than ours has no offset; one that was set once has."""
    begun = time.time_ns()
    monkeypatch.setattr(far, "clock", lambda: begun + (time.time_ns() - begun) // 10)
    monkeypatch.setattr(clock_offset, "FASTEST", Fraction(0))

    ahead, uncertainty = far._clocks_apart()

    assert ahead is None
    assert uncertainty < SOON


def test_clock_that_was_set_is_looked_at_again(
    far: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set while two were compared is compared once more."""
    steps = iter([3600 * clock_offset.SECOND] * (clock_offset.ROUNDS // 2))
    monkeypatch.setattr(far, "clock", lambda: time.time_ns() + next(steps, 0))

    ahead, _ = far._clocks_apart()

    assert ahead is not None
    assert abs(ahead) < 1.0


def test_all_hangs_on_the_lifeline(runner: LocalHost, tmp_path: Path) -> None:
    """When the connection is cut, all that was started is killed, and the folder removed."""
    with opened(Wanted(inventory=str(TWO)), runner) as pair:
        host = pair.source
        assert isinstance(host, SshHost)
        private = host.private
        pid = host.spawn(["sleep", "60"], cwd=private, errors=tmp_path / "said").pid
        assert private.exists()  # it is this machine, after all

        host._connection.close()  # what a cut cable does
        begun = time.monotonic()

        await_that(lambda: not private.exists(), "the folder to be removed")
        assert not Path(f"/proc/{pid}").exists()
        assert time.monotonic() - begun < SOON
        with pytest.raises(HostLost, match="alpha"):
            host.run(["true"], SOON)


def test_event_of_a_clock_that_keeps_no_time_is_of_when_it_is_heard(
    runner: LocalHost, tmp_path: Path
) -> None:
    """What such a host stamps counts from when we hear of it."""
    stamp = {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 0}}
    ours, _theirs = socket.socketpair()
    with Reactor() as reactor, ours, _theirs:
        session = QMP("source", reactor, ours, tmp_path / "qmp", lambda: None, None)
        before = time.time()

        session._witness("<-", Message(stamp))

        after = time.time()
        session.close()

    assert before <= session.events[0].emitted <= after
