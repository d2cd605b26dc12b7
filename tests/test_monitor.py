# SPDX-License-Identifier: Apache-2.0
"""A monitor on a pseudo-terminal is read to its prompt, whatever its line editor sends back."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from landfall.clock import Bell
from landfall.errors import HarnessError, PromiseBroken, QEMUDied
from landfall.migration import try_migration
from landfall.monitor import PTY_MONITOR, Monitor, Progress, monitor, plain
from landfall.qmp import CommandRefused
from landfall.reactor import Reactor
from landfall.vm import VM

GREETING = b"QEMU 10.0.2 monitor - type 'help' for more information\r\n(qemu) "
IN_10_0 = """\
globals:
store-global-state: on
Migration status: active
total time: 3112 ms
transferred ram: 28783 kbytes
throughput: 73.57 mbps
remaining ram: 31780 kbytes
total ram: 33288 kbytes
dirty sync count: 2"""
IN_11_1 = """\
Status: \t\tactive
Time (ms): \t\ttotal=3105, setup=0, exp_down=3571
Remaining: \t\t31.3 MiB
RAM info:
  Sizes: \t\tpagesize=4 KiB, total=32.5 MiB
  Transfers: \t\ttransferred=28.1 MiB, remain=31 MiB
  Others: \t\tdirty_syncs=2"""
FAILED = "Migration status: failed (Failed to connect to '127.0.0.1:0': Connection refused)"


@dataclass
class Pretender:
    """The other end of a pseudo-terminal: edits lines as QEMU does, answers as it is told."""

    master: int
    answers: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Greet, and answer each line, in the pieces given, until the terminal is closed."""
        os.write(self.master, GREETING)
        while line := self._line():
            self.heard.append(line)
            for piece in self.answers.get(line, (b"(qemu) ",)):
                os.write(self.master, piece)

    def _line(self) -> str:
        typed = ""
        while (key := os.read(self.master, 1).decode()) != "\r":
            back = b"\x1b[D" * len(typed)
            typed += key
            os.write(self.master, back + typed.encode() + b"\x1b[K")
        os.write(self.master, b"\r\n")
        return typed


@pytest.fixture
def conversation(
    tmp_path: Path, reactor: Reactor
) -> Iterator[Callable[..., tuple[Monitor, Pretender]]]:
    """Begin a conversation with somebody who answers as he is told."""
    master, slave = os.openpty()
    tty.setraw(slave)  # as QEMU does (util/qemu-openpty.c, 10.0)
    begun: list[Monitor] = []

    def begin(**answers: tuple[bytes, ...]) -> tuple[Monitor, Pretender]:
        other = Pretender(master, {k.replace("_", " "): v for k, v in answers.items()})
        threading.Thread(target=_until_closed, args=(other,), daemon=True).start()
        stage = SimpleNamespace(reactor=reactor, bell=Bell())
        vm = SimpleNamespace(stage=stage, expect_alive=lambda: None)
        begun.append(Monitor(cast(VM, vm), os.ttyname(slave), tmp_path / "monitor"))
        return begun[0], other

    yield begin
    for one in begun:
        one.close()
    os.close(slave)
    os.close(master)


def _until_closed(other: Pretender) -> None:
    try:
        other.run()
    except OSError:
        return


Begin = Callable[..., tuple[Monitor, Pretender]]


def test_answer_is_what_stands_between_the_echo_and_the_prompt(conversation: Begin) -> None:
    """The redrawn line, escape sequences and the prompt are no part of an answer."""
    hmp, other = conversation(info_status=(b"VM \x1b[1mstatus: running\r\n(qemu) ",))

    assert hmp.ask("info status") == "VM status: running"
    assert hmp.ask("stop") == ""
    assert other.heard == ["info status", "stop"]


def test_prompt_may_come_in_pieces(conversation: Begin) -> None:
    """An answer is whole when its prompt is, however it is cut."""
    hmp, _ = conversation(info_chardev=(b"hmp: file", b"name=pty\r", b"\n(q", b"emu)", b" "))

    assert hmp.ask("info chardev") == "hmp: filename=pty"


def test_answer_may_have_many_lines(conversation: Begin) -> None:
    """All lines of an answer are kept, and an empty one within."""
    hmp, _ = conversation(help=(b"one\r\n\r\ntwo\r\n(qemu) ",))

    assert hmp.ask("help") == "one\n\ntwo"


def test_command_that_keeps_the_prompt_is_told_from_one_that_does_not(
    conversation: Begin,
) -> None:
    """While the prompt is away nothing can be typed, and waiting for it has an end."""
    hmp, other = conversation(migrate=(b"",))
    assert hmp.prompts

    hmp.type("migrate")

    assert not hmp.prompts
    with pytest.raises(HarnessError, match="still does migrate"):
        hmp.type("info status")
    with pytest.raises(PromiseBroken, match="monitor to prompt after 'migrate'"):
        hmp.answer(within=0.1)
    os.write(other.master, b"(qemu) ")
    assert hmp.answer() == ""


def test_what_a_silent_command_says_is_its_error(conversation: Begin) -> None:
    """A command that says nothing when it succeeds was refused when it speaks."""
    hmp, _ = conversation(stop=(b"Error: not now\r\n(qemu) ",))

    with pytest.raises(CommandRefused, match="refused stop: Error: not now"):
        hmp.do("stop")


def test_terminal_that_is_not_there_is_told(tmp_path: Path, reactor: Reactor) -> None:
    """A path that is no terminal is an error of the harness, with the path."""
    vm = SimpleNamespace(stage=SimpleNamespace(reactor=reactor, bell=Bell()))

    with pytest.raises(HarnessError, match="/dev/pts/nowhere: No such file"):
        Monitor(cast(VM, vm), "/dev/pts/nowhere", tmp_path / "monitor")


@pytest.mark.parametrize(
    ("text", "close_to"), [(IN_10_0, 1 << 10), (IN_11_1, 1 << 17)], ids=["10.0", "11.1"]
)
def test_info_migrate_is_read_in_the_words_of_every_version(text: str, close_to: int) -> None:
    """The same facts are read from the answers of old and new versions."""
    read = Progress.read(text)

    assert (read.status, read.reason, read.passes) == ("active", "", 2)
    assert abs(read.transferred - 28783 * 1024) <= close_to
    assert abs(read.total - 33288 * 1024) <= close_to
    assert 0 < read.remaining <= read.total


@pytest.mark.parametrize("text", [FAILED, FAILED.replace("Migration status: ", "Status: \t\t")])
def test_reason_of_a_failure_is_read(text: str) -> None:
    """What stands behind «failed» is the reason."""
    read = Progress.read(text)

    assert read.status == "failed"
    assert read.reason == "Failed to connect to '127.0.0.1:0': Connection refused"


def test_nothing_yet_is_read_as_none() -> None:
    """Before the first migration there is no status."""
    assert Progress.read("globals:\nstore-global-state: on").status == "none"
    assert plain(b"info migrate\x1b[K\r\n(qemu) ") == ""


def open_files() -> set[Path]:
    """What this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the folder itself, read through one of them
            found.add(link.readlink())
    return found


@pytest.mark.qemu
def test_monitor_goes_with_its_qemu(start: Callable[..., tuple[VM, VM]]) -> None:
    """A QEMU that dies behind a monitor is told of at once, and its terminal is given back."""
    source, _ = start(devices=(PTY_MONITOR,))
    hmp = monitor(source)
    assert Path(hmp.path) in open_files()

    os.kill(source.process.pid, signal.SIGKILL)
    source.process.wait(5)

    with pytest.raises(QEMUDied, match="ended with status -9"):
        hmp.ask("info status")
    source.bury()
    assert Path(hmp.path) not in open_files()


@pytest.mark.qemu
def test_refused_attempt_at_a_monitor_is_none(start: Callable[..., tuple[VM, VM]]) -> None:
    """What the monitor refuses to begin is not among the attempts that are judged."""
    source, _ = start(devices=(PTY_MONITOR,))

    with pytest.raises(CommandRefused):
        try_migration(source, "nonsense:", by=monitor(source).migrate_detached)

    assert source.stage.migrations == []
