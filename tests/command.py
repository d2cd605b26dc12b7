# SPDX-License-Identifier: Apache-2.0
"""The real command line, started as its user would, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall import fetch
from landfall.clock import Bell
from landfall.errors import Undecided
from landfall.guest import cache_folder

__all__ = ["BUILDS", "ROOT", "SOUND", "Command", "Ended", "command", "qualify"]

ROOT = Path(__file__).parents[1]
BUILDS = {build.name: str(build.path) for build in fetch.fetched(cache_folder("qemu"))}
"""The builds that were fetched: name to path."""
SOUND = "10.0" if "10.0" in BUILDS else "system"
"""The soundest QEMU there is."""
WHOLE_RUN = 100.0
"""Seconds that a command is given."""


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    status: int
    output: str
    errors: str
    document: Any
    """What its results.json says; None where there is none."""

    def scenario(self, id: str) -> Any:  # noqa: A002 - results.json's word
        """Return one scenario of results.json."""
        return next(scenario for scenario in self.scenarios if scenario["id"].endswith(id))

    @property
    def verdicts(self) -> dict[str, str]:
        """Scenario to verdict."""
        return {scenario["id"]: scenario["verdict"] for scenario in self.scenarios}

    @property
    def scenarios(self) -> list[Any]:
        """The scenarios of results.json."""
        found: list[Any] = self.document["run"]["scenarios"]
        return found


class Command:
    """A command under way, in a session, a TMPDIR and a pytest cache of its own.

    Whatever it starts inherits `mark` in its environment. Both /proc and the folders are read
    here without a line of the program's own that does the same: it is what is under test.
    """

    def __init__(self, base: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self.mark = f"LANDFALL_TESTED_{secrets.token_hex(8).upper()}"
        self.results = base / "results"
        self.temporary = base / "tmp"
        self._base = base
        self._sockets: set[str] = set()
        for folder in (self.temporary, base / "cwd"):
            folder.mkdir()
        own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
        with (base / "output").open("wb") as output, (base / "errors").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=base / "cwd",
                env={**own, **environment, **self._own_environment(base)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    def _own_environment(self, base: Path) -> dict[str, str]:
        return {self.mark: "1", "TMPDIR": str(self.temporary), "FOLDER": str(base)}

    # -- its life -----------------------------------------------------------

    def ended(self, within: float = WHOLE_RUN) -> Ended:
        """Wait for its end; raises TimeoutExpired."""
        status = self.process.wait(within)
        output, errors = ((self._base / name).read_text() for name in ("output", "errors"))
        results = self.results / "results.json"
        document = json.loads(results.read_text()) if results.exists() else None
        return Ended(status, output, errors, document)

    @property
    def output(self) -> str:
        """What it has said so far."""
        return (self._base / "output").read_text()

    def run_for(self, seconds: float) -> None:
        """Let it run for some seconds, or to its end; raises AssertionError when it fails."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            ended = self.ended(seconds)
            assert ended.status == 0, ended.output + ended.errors

    def wait_for_process(self, words: str, within: float = 30.0) -> int:
        """Wait until it has a process with these words in its command line; return its pid."""
        return Bell().wait(
            lambda: next((pid for pid, line in self.processes().items() if words in line), None),
            within=within,
            what=f"a process {words!r}",
            seen=self.processes,
            look_every=0.02,
        )

    def parent(self, pid: int) -> int:
        """Return the parent of a process."""
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def children(self, pid: int) -> dict[int, str]:
        """Return the processes that one of its processes started: pid to command line."""
        return {p: line for p, line in self.processes().items() if self.parent(p) == pid}

    def strike(self, number: signal.Signals, pid: int | None = None) -> None:
        """Note which sockets there are, and send a signal to the runner or one of its own."""
        self._sockets |= self.sockets()
        if pid:
            os.kill(pid, number)
        else:
            self.process.send_signal(number)

    # -- what is left -------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Every process that inherited the mark and has not ended: pid to command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes():
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = line.decode(errors="replace").strip()
        return found

    def sockets(self) -> set[str]:
        """Inodes of the sockets that its processes hold."""
        found = set()
        for pid in self.processes():
            with contextlib.suppress(OSError):
                targets = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
                found |= {t[8:-1] for t in targets if t.startswith("socket:[")}
        return found

    def remains(self) -> list[str]:
        """Everything that is left of it: processes, sockets, temporary files."""
        processes = [f"process {pid}: {line}" for pid, line in self.processes().items()]
        files = [f"file {path}" for path in self.temporary.iterdir()]
        return processes + files + list(self._open_sockets())

    def _open_sockets(self) -> Iterator[str]:
        for table, inode in (("tcp", 9), ("tcp6", 9), ("unix", 6)):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[inode] in self._sockets or str(self.temporary) in line:
                    yield f"{table} socket: {line.strip()}"

    def left(self, within: float) -> list[str]:
        """Wait until nothing is left; return what is left all the same after `within` seconds."""
        with contextlib.suppress(Undecided):
            Bell().wait(lambda: not self.remains(), within=within, what="its end", look_every=0.05)
        return self.remains()

    def clear_away(self) -> None:
        """End what the test left of it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(WHOLE_RUN)
        shutil.rmtree(self._base, ignore_errors=True)


def qualify(
    *words: str, profile: str = "smoke", qemu: str = SOUND, **environment: str
) -> contextlib.AbstractContextManager[Command]:
    """Start `landfall qualify`, its results and its pytest cache in folders of its own.

    `qemu` is the source's build, or empty: what the words say of builds is all that is said.
    """
    build = ("--src-qemu", qemu) if qemu else ()
    asked = ("--profile", profile, *build, "--results", "../results")
    cache = ("-o", "cache_dir=$FOLDER/cache")
    return command("-m", "landfall", "qualify", *asked, *cache, *words, **environment)


@contextlib.contextmanager
def command(*words: str, **environment: str) -> Iterator[Command]:
    """Start `python WORDS` with an environment of its own; afterwards nothing of it is left."""
    # Short, unlike pytest's tmp_path: a unix socket's path has 107 bytes (sys/un.h).
    under_way = Command(Path(tempfile.mkdtemp(prefix="lf-")), words, environment)
    try:
        yield under_way
    finally:
        under_way.clear_away()
