# SPDX-License-Identifier: Apache-2.0
"""Stands between two QEMUs and keeps what each connection brings forward."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stream.rig import DEADLINE

__all__ = ["Tee", "tee"]

BLOCK = 1 << 16


class Tee:
    """Passes connections on to another socket; `kept` has what came by each, in their order."""

    def __init__(self, here: Path, there: Path) -> None:
        self.kept: list[bytearray] = []
        self._there = there
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(here))
        self._listening.listen()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._forward: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, function: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(str(self._there))
                self._open += [ours, theirs]
                self.kept.append(bytearray())
                self._forward.append(self._run(self._pass, ours, theirs, self.kept[-1]))
                self._run(self._pass, theirs, ours, bytearray())

    def _pass(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End it; what is on its way is lost."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._open:
            end.close()

    def main(self) -> bytes:
        """Return what the connection brought that is the stream proper; its source has ended."""
        self._await_the_end()
        return next(bytes(kept) for kept in self.kept if kept.startswith(b"QEVM"))

    def channels(self) -> list[bytes]:
        """Return what the others brought; their source has ended."""
        self._await_the_end()
        return [bytes(kept) for kept in self.kept if not kept.startswith(b"QEVM")]

    def _await_the_end(self) -> None:
        for thread in self._forward:
            thread.join(DEADLINE)


@contextmanager
def tee(here: Path, there: Path) -> Iterator[Tee]:
    """Stand between two sockets' paths."""
    between = Tee(here, there)
    try:
        yield between
    finally:
        between.close()
