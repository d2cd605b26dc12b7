# SPDX-License-Identifier: Apache-2.0
"""The floor: the tcp scenario's very migration, by a bare script.

Standard library only, no pytest, no oracles, nothing of Landfall: what two QEMU processes
and a guest cost whoever moves it. Prints JSON.

    python -I -S benchmarks/floor.py --qemu BINARY --kernel PULSE [--accel tcg] [--rounds N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GATHER = 0.002
"""Seconds between two looks at a serial line: QEMU hands on one byte at a time."""
DEADLINE = 30.0
"""Seconds any wait may take."""
BEAT = re.compile(rb"^@[0-9a-f]+ beat .*\n", re.MULTILINE)
READY = re.compile(rb"^@[0-9a-f]+ ready .*\n", re.MULTILINE)
UNLIMITED = 1 << 40


class Side:
    """One QEMU process, its monitor and its guest's line."""

    def __init__(self, name: str, options: list[str], folder: Path) -> None:
        self.statuses: list[str] = []
        self.said = b""
        self.answers: list[dict[str, Any]] = []
        self._unread = b""
        self._listen_at = 0.0
        for direction in ("in", "out"):
            os.mkfifo(folder / f"guest.{direction}")
        self._serial = os.open(folder / "guest.out", os.O_RDONLY | os.O_NONBLOCK)
        self._command = os.open(folder / "guest.in", os.O_RDWR | os.O_NONBLOCK)
        self._monitor, theirs = socket.socketpair()
        self._monitor.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self.argv = _argv(name, options, theirs.fileno())
        with theirs:
            self.process = subprocess.Popen(
                self.argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def watched(self, now: float) -> tuple[list[int], float]:
        """Return what to listen to, and in how many seconds there may be more."""
        if now >= self._listen_at:
            return [self._monitor.fileno(), self._serial], DEADLINE
        return [self._monitor.fileno()], self._listen_at - now

    def read(self, ready: set[int], now: float) -> None:
        """Read what has come."""
        if self._serial in ready:
            with contextlib.suppress(BlockingIOError):
                self.said += os.read(self._serial, 1 << 16)
            self._listen_at = now + GATHER
        if self._monitor.fileno() in ready:
            data = self._monitor.recv(1 << 16)
            if not data:
                raise SystemExit(f"{self.argv[2]} hung up")
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "error" in message:
            raise SystemExit(message["error"]["desc"])
        if message.get("event") == "MIGRATION":
            self.statuses.append(message["data"]["status"])
        elif "event" not in message:
            self.answers.append(message)

    def send(self, command: str, **arguments: Any) -> None:
        """Send a command; its answer is the next of `answers`."""
        message = {"execute": command, "arguments": arguments}
        self._monitor.sendall(json.dumps(message).encode())

    def close(self) -> None:
        """Give the conversations back, and end the process if it still lives."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self._monitor.close()
        os.close(self._serial)
        os.close(self._command)


def _argv(name: str, options: list[str], monitor: int) -> list[str]:
    qemu, *rest = options
    # fmt: off
    return [
        qemu, "-name", f"guest={name},process=landfall-{name}", *rest,
        "-chardev", f"socket,fd={monitor},id=qmp",
        "-mon", "chardev=qmp,mode=control",
        "-chardev", "pipe,path=guest,id=guest",
        "-serial", "chardev:guest",
        *(["-incoming", "defer"] if name == "destination" else []),
    ]
    # fmt: on


def wait(sides: list[Side], reached: Callable[[], bool], what: str) -> None:
    """Listen to both sides until a condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not reached():
        now = time.monotonic()
        if now > deadline:
            raise SystemExit(f"waited {DEADLINE:.0f} s for {what}")
        poll = select.poll()
        soonest = DEADLINE
        for side in sides:
            descriptors, due = side.watched(now)
            soonest = min(soonest, due)
            for descriptor in descriptors:
                poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(soonest * 1000)}
        for side in sides:
            side.read(ready, time.monotonic())


def ask(sides: list[Side], side: Side, command: str, **arguments: Any) -> Any:
    """Send a command and return its answer."""
    before = len(side.answers)
    side.send(command, **arguments)
    wait(sides, lambda: len(side.answers) > before, command)
    return side.answers[before]["return"]


def move(source: Side, destination: Side) -> None:
    """Migrate the guest, from its first words on the source to its first beat after arrival."""
    both = [source, destination]
    for side in both:
        wait(both, lambda: bool(side.answers), "a greeting")  # noqa: B023 - it is over at once
        ask(both, side, "qmp_capabilities")
    wait(both, lambda: _is_up(source), "the guest")
    on = [{"capability": name, "state": True} for name in ("events", "return-path")]
    for side in both:
        ask(both, side, "migrate-set-capabilities", capabilities=on)
    limits = {"max-bandwidth": UNLIMITED, "downtime-limit": 300}
    ask(both, source, "migrate-set-parameters", **limits)
    ask(both, destination, "migrate-incoming", uri="tcp:127.0.0.1:0")
    address = ask(both, destination, "query-migrate")["socket-address"][0]
    ask(both, source, "migrate", uri=f"tcp:127.0.0.1:{address['port']}")
    wait(both, lambda: source.statuses[-1:] == ["completed"], "completed")
    for side, status in ((source, "postmigrate"), (destination, "running")):
        while ask(both, side, "query-status")["status"] != status:
            time.sleep(0.001)
    wait(both, lambda: bool(BEAT.search(destination.said)), "a beat after arrival")


def _is_up(source: Side) -> bool:
    return bool(READY.search(source.said)) and len(BEAT.findall(source.said)) >= 2


def end(sides: list[Side]) -> None:
    """Quit both processes at once and reap them."""
    for side in sides:
        side.send("quit")
    for side in sides:
        side.process.wait(DEADLINE)


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def cpu_seconds() -> float:
    """Return user and system seconds of this process and of every one it has reaped."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def one_round(options: list[str]) -> dict[str, Any]:
    """Move one guest, from two fresh processes to none; return what it cost."""
    began, cpu = time.monotonic(), cpu_seconds()
    with contextlib.ExitStack() as stack:
        sides = []
        for name in ("source", "destination"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            sides.append(Side(name, options, folder))
            stack.callback(sides[-1].close)
        move(*sides)
        peaks = [peak(side.process.pid) for side in sides]
        end(sides)
    return {
        "wall": time.monotonic() - began,
        "cpu": cpu_seconds() - cpu,
        "peaks": peaks,
        "commands": [side.argv for side in sides],
    }


def main() -> None:
    """Run the rounds and print what each cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", required=True, help="the binary")
    parser.add_argument("--kernel", required=True, help="the guest pulse, built")
    parser.add_argument("--accel", default="tcg")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    # fmt: off
    options = [
        chosen.qemu,
        "-nodefaults", "-no-user-config",
        "-display", "none",
        "-machine", "q35",
        "-accel", chosen.accel,
        "-cpu", "qemu64",
        "-smp", "2",
        "-m", "32",
        "-kernel", chosen.kernel,
    ]
    # fmt: on
    rounds = [one_round(options) for _ in range(chosen.rounds)]
    harness = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"rounds": rounds, "harness": harness}, indent=1))


if __name__ == "__main__":
    main()
