# SPDX-License-Identifier: Apache-2.0
"""How fast a saved state is read, and in how much memory, next to reading its file through.

.venv/bin/python benchmarks/parse.py --qemu 10.0 --mebibytes 1024
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landfall import state
from landfall.guest import cache_folder
from landfall.stream import written

MiB = 1 << 20
WANTED = 300.0
"""MB/s of RAM, for `parse` and `contents`."""
LOW = 16 * MiB
"""Where what fills the guest's memory begins."""


def through(path: Path) -> object:
    """Read the file through: the floor."""
    with path.open("rb", buffering=0) as file:
        while file.read(MiB):
            pass
    return None


def parse(path: Path) -> object:
    """Read the stream: every section, every item of RAM."""
    return state.read(path)


def contents(path: Path) -> object:
    """The same, and look up what every page holds."""
    found = state.read(path)
    for pages in found.ram.values():
        for number in pages.numbers():
            pages.content(number)
    return found


def write(path: Path) -> object:
    """Write it again from its parts."""
    found = state.read(path)
    with Path(os.devnull).open("wb") as out:
        for piece in written(found.stream):
            out.write(piece)
    return found


def differences(path: Path) -> object:
    """Compare it with itself, every field and every page."""
    first, second = state.read(path), state.read(path)
    assert state.differences(first, second) == []
    return first, second


WORK: dict[str, Callable[[Path], object]] = {
    "read through": through,
    "parse": parse,
    "contents": contents,
    "write": write,
    "differences": differences,
}


def child(work: str, path: Path) -> None:
    """Do one thing in a process of its own; print seconds and memory as JSON."""
    before = memory()
    begun = time.monotonic()
    kept = WORK[work](path)
    seconds = time.monotonic() - begun
    after = memory()
    own = after["RssAnon"] - before["RssAnon"]
    print(json.dumps({"seconds": seconds, "own": own, "peak": after["VmHWM"]}))
    del kept


def memory() -> dict[str, int]:
    """Return what the kernel says of our memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    words = (line.split() for line in lines if line.startswith(("RssAnon", "VmHWM")))
    return {name.rstrip(":"): int(size) * 1024 for name, size, _ in words}


def measured(work: str, path: Path) -> dict[str, Any]:
    """Return what a child measured."""
    argv = [sys.executable, __file__, "--child", work, str(path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600)
    return dict(json.loads(done.stdout))


def save(binary: str, folder: Path, mebibytes: int, *, filled: bool) -> Path:
    """Have a QEMU with so much memory, full of what is random or of nothing, write its state."""
    path = folder / "state"
    path.unlink(missing_ok=True)
    # fmt: off
    argv = [
        binary, "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
        "-machine", "q35", "-m", str(mebibytes), "-monitor", "stdio",
    ]
    # fmt: on
    if filled:
        content = folder / "content"
        with content.open("wb") as file:
            for _ in range(mebibytes - LOW // MiB):
                file.write(os.urandom(MiB))
        argv += ["-device", f"loader,file={content},addr={LOW:#x},force-raw=on"]
    told = f"migrate_set_parameter max-bandwidth 1T\nmigrate file:{path}\nquit\n"
    subprocess.run(argv, input=told, text=True, check=True, stdout=subprocess.DEVNULL, timeout=600)
    (folder / "content").unlink(missing_ok=True)
    return path


def report(title: str, path: Path, ram: int, rounds: int) -> None:
    """Print a line for each thing done: the best of some turns, each in a process of its own."""
    size = path.stat().st_size
    print(f"{title}: {ram / MiB:.0f} MiB of RAM in a file of {size / MiB:.1f} MiB")
    print("               MB/s of RAM  x reading through  own memory and peak, x the file")
    best: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for work in WORK:
            found = measured(work, path)
            if work not in best or found["seconds"] < best[work]["seconds"]:
                best[work] = found
    floor = best["read through"]["seconds"]
    for work, found in best.items():
        rate = ram / 1e6 / found["seconds"]
        verdict = ""
        if work in ("parse", "contents"):
            verdict = f"  {'PASS' if rate >= WANTED else 'MISS'} (wanted: {WANTED:.0f} MB/s)"
        print(
            f"  {work:12} {rate:11.0f} {found['seconds'] / floor:18.2f} "
            f"{found['own'] / size:11.3f} {found['peak'] / size:8.2f}{verdict}",
            flush=True,
        )


def main() -> None:
    """Measure and print; a benchmark is no test, it exits 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", default="10.0", metavar="NAME", help="a fetched build")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of RAM (1024)")
    parser.add_argument("--rounds", type=int, default=3, help="turns; the best counts (3)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child[0], Path(chosen.child[1]))
        return
    binary = cache_folder("qemu") / chosen.qemu / "bin" / "qemu-system-x86_64"
    ram = chosen.mebibytes * MiB
    with tempfile.TemporaryDirectory(prefix="parse-") as folder:
        for title, filled in (("normal pages", True), ("zero pages", False)):
            path = save(str(binary), Path(folder), chosen.mebibytes, filled=filled)
            report(title, path, ram, chosen.rounds)


if __name__ == "__main__":
    main()
