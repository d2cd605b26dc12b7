# SPDX-License-Identifier: Apache-2.0
"""QEMU for the tests of this folder: records real streams and loads mutated ones."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landfall.clock import Bell

DEADLINE = 60.0
"""Seconds for any one step, on a busy machine."""
FETCHED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landfall" / "qemu"
_ids = itertools.count(1)


def builds() -> dict[str, str]:
    """Return the builds to test with: the one in PATH, and 10.0 when it was fetched."""
    found = {
        "system": shutil.which("qemu-system-x86_64"),
        "10.0": shutil.which("qemu-system-x86_64", path=FETCHED / "10.0" / "bin"),
    }
    return {name: path for name, path in found.items() if path}


@dataclass
class Lines:
    """Lines from a descriptor, with deadlines."""

    descriptor: int
    rest: bytes = b""

    def next(self, within: float = DEADLINE) -> bytes:
        """Return the next line; EOFError at the end, TimeoutError when none comes."""
        deadline = time.monotonic() + within
        while b"\n" not in self.rest:
            left = max(0, deadline - time.monotonic())
            if not select.select([self.descriptor], [], [], left)[0]:
                raise TimeoutError(f"no line in {within} s; so far {self.rest[-80:]!r}")
            data = os.read(self.descriptor, 1 << 16)
            if not data:
                raise EOFError(f"it ended after {self.rest[-80:]!r}")
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line


@dataclass
class Qemu:
    """One QEMU process: its monitor on standard input and output, its guest on a socket."""

    process: subprocess.Popen[bytes]
    monitor: Lines
    serial: socket.socket
    guest: Lines
    errors: Path
    heard: list[list[str]] = field(default_factory=list)

    def execute(self, command: str, **arguments: object) -> Any:
        """Execute a QMP command and return its value."""
        request = json.dumps({"execute": command, "arguments": arguments})
        assert self.process.stdin is not None
        self.process.stdin.write(request.encode() + b"\n")
        self.process.stdin.flush()
        return self._until(lambda message: "return" in message or "error" in message)["return"]

    def migration_ended(self) -> str:
        """Wait for the end of a migration and return its status."""
        end = self._until(lambda m: m.get("data", {}).get("status") in {"completed", "failed"})
        return str(end["data"]["status"])

    def take(self, uri: str) -> str:
        """Take a stream; return the status and the run state after it, or QEMU's end."""
        self.execute("migrate-incoming", uri=uri)
        status = self.migration_ended()
        try:
            return f"{status}/{self.execute('query-status')['status']}"
        except (EOFError, BrokenPipeError):
            return f"{status}/exit {self.process.wait(DEADLINE)}"

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self.monitor.next())
            if wanted(message):
                return message

    def hear(self, kind: str, number: int | None = None) -> list[str]:
        """Return the guest's next statement of a kind (that answers a command), as words."""
        while True:
            body, _, checksum = self.guest.next().rstrip().rpartition(b" *")
            words = body.decode("ascii", "replace").split()
            if not body.startswith(b"@") or zlib.crc32(body) != int(checksum, 16):
                continue  # what the source had begun to say
            self.heard.append(words)
            if words[1] == kind and (number is None or f"id={number:x}" in words):
                return words

    def ask(self, command: str, answer: str) -> list[str]:
        """Have the guest do something; return its answer, as words."""
        number = next(_ids)
        self.serial.sendall(f"{number:x} {command}\n".encode("ascii"))
        return self.hear(answer, number)

    def hear_until_accused(self, kind: str) -> None:
        """Listen until the guest has said something of a kind, before now or from now on."""
        if not any(words[1] == kind for words in self.heard):
            self.hear(kind)


def _argv(binary: str, guest: str, *options: str) -> list[str]:
    # fmt: off
    return [
        binary, "-nodefaults", "-no-user-config", "-display", "none",
        "-accel", "tcg", "-m", "16", "-smp", "2",
        "-qmp", "stdio",
        "-chardev", guest,
        "-serial", "chardev:guest",
        *options,
    ]
    # fmt: on


@contextmanager
def qemu(binary: str, folder: Path, *options: str) -> Iterator[Qemu]:
    """Run QEMU with 16 MiB and without devices but its machine's own."""
    ours, theirs = socket.socketpair()
    errors = folder / "stderr"
    argv = _argv(binary, f"socket,id=guest,fd={theirs.fileno()}", *options)
    pipe, given = subprocess.PIPE, [theirs.fileno()]
    with (
        ours,
        theirs,
        errors.open("ab") as log,
        subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=log, pass_fds=given) as process,
    ):
        theirs.close()
        assert process.stdout is not None
        monitor = Lines(process.stdout.fileno())
        vm = Qemu(process, monitor, ours, Lines(ours.fileno()), errors)
        try:
            monitor.next()
            vm.execute("qmp_capabilities")
            capability = {"capability": "events", "state": True}
            vm.execute("migrate-set-capabilities", capabilities=[capability])
            yield vm
        finally:
            process.kill()


@dataclass
class Recorder:
    """Records one stream of each kind, when it is first asked for."""

    folder: Path
    guest: Path
    recorded: dict[tuple[str, ...], bytes] = field(default_factory=dict)

    def stream(self, binary: str, machine: str, *options: str) -> bytes:
        """Return the stream of a machine as a QEMU binary writes it."""
        key = (binary, machine, *options)
        if key not in self.recorded:
            self.recorded[key] = self._record(binary, "-machine", machine, *options)
        return self.recorded[key]

    def with_guest(self, binary: str, machine: str) -> bytes:
        """Return the stream of a machine in which pulse runs and has filled its memory."""
        return self.stream(binary, machine, "-kernel", str(self.guest))

    def _record(self, binary: str, *options: str) -> bytes:
        path = self.folder / f"{len(self.recorded)}.stream"
        with qemu(binary, self.folder, *options) as source:
            if "-kernel" in options:
                source.hear("ready")
            # «completed» is said before the command has written all of it.
            source.execute("migrate", uri=f"exec:cat > {path}.part && mv {path}.part {path}")
            status = source.migration_ended()
            if status == "completed":
                Bell().wait(path.exists, within=10.0, what="the stream's file", look_every=0.01)
        if status != "completed":
            raise RuntimeError(f"recording ended {status}: {(self.folder / 'stderr').read_text()}")
        return path.read_bytes()
