# SPDX-License-Identifier: Apache-2.0
"""The process that a lab hangs on: however it goes, nothing of the lab is left.

What it holds here is a `sleep` in place of each emulator: this is about processes and networks.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landfall.clock import Bell
from landfall.lab import network, running

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are root's to make")

SOON = 10.0
SLEEP = ("sleep", "600")


def machine(**facts: object) -> running.Machine:
    """Return what stands for a host."""
    known = {"name": "amd", "address": "10.217.0.11", "tap": "tap11", "patience": 600.0}
    return running.Machine(**{**known, "argv": SLEEP, "again": SLEEP, **facts})  # type: ignore[arg-type]


class Held:
    """A warden that was started, and what it was told."""

    def __init__(self, folder: Path, seconds: float, one: running.Machine) -> None:
        self.folder = folder
        self.inventory = folder / "inventory.toml"
        self.inventory.touch()
        self.plan = running.Plan(network.free_number(), (one,), seconds, str(self.inventory))
        (folder / running.PLAN).write_text(self.plan.text)
        words = ["unshare", "--net", sys.executable, "-m", "landfall.lab.warden"]
        self.process = subprocess.Popen(
            [*words, str(folder), str(os.getpid())], stdin=subprocess.PIPE
        )
        await_that(lambda: self.state is not None and self.state.laid, "the network")
        assert self.state is not None
        self.emulator = self.state.pids["amd"]

    @property
    def state(self) -> running.State | None:
        """What it tells."""
        return running.read(self.folder)

    def stay(self) -> None:
        """Tell it to stay."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"stay\n")
        self.process.stdin.flush()

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left."""
        link = Path("/sys/class/net") / self.plan.link
        return not alive(self.emulator) and not running.holder(self.folder) and not link.exists()

    def end(self) -> None:
        """End it, if it lives."""
        self.process.kill()
        self.process.communicate()


Start = Callable[..., Held]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start wardens, which do not outlive the test."""
    held: list[Held] = []

    def one(seconds: float = 0.0, **facts: object) -> Held:
        held.append(Held(tmp_path, seconds, machine(**facts)))
        return held[-1]

    yield one
    for each in held:
        each.end()


def await_that(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    Bell().wait(condition, within=SOON, what=what, look_every=0.02)


def alive(pid: int) -> bool:
    """Whether a process lives, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_lab_hangs_on_its_warden_alone(start: Start) -> None:
    """A warden that was told to stay does; killed, it leaves no process and no link."""
    held = start()
    held.stay()
    network.connect(held.plan)
    assert running.holder(held.folder) == held.process.pid

    held.process.send_signal(signal.SIGKILL)

    held.process.wait(SOON)
    await_that(lambda: held.is_gone, "nothing to be left")


def test_who_begins_a_lab_and_dies_leaves_none(start: Start) -> None:
    """A warden that nobody told to stay goes with who began it, and takes the inventory along."""
    held = start()

    assert held.process.stdin is not None
    held.process.stdin.close()

    await_that(lambda: held.is_gone, "nothing to be left")
    assert not held.inventory.exists()


def test_lab_ends_when_it_was_told_to(start: Start) -> None:
    """A lab for so many seconds ends after them by itself."""
    held = start(seconds=0.5)
    held.stay()

    await_that(lambda: held.is_gone, "nothing to be left")


def test_host_that_ended_is_started_again(start: Start) -> None:
    """An emulator that has ended is started again, and that is told."""
    held = start(again=("sleep", "500"))
    held.stay()

    os.kill(held.emulator, signal.SIGKILL)

    await_that(lambda: held.state is not None and held.state.restarts["amd"] == 1, "a restart")
    assert held.state is not None
    assert Path(f"/proc/{held.state.pids['amd']}/cmdline").read_bytes() == b"sleep\x00500\x00"


def test_host_that_says_nothing_is_started_again(start: Start) -> None:
    """An emulator whose host does not answer by ssh for too long is started again."""
    held = start(patience=0.5)
    held.stay()

    await_that(lambda: held.state is not None and held.state.restarts["amd"] > 0, "a restart")

    assert not alive(held.emulator)


def test_network_that_is_in_use_is_not_taken(start: Start) -> None:
    """A second lab has a network of its own."""
    held = start()
    network.connect(held.plan)

    assert network.free_number() != held.plan.number
