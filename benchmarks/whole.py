# SPDX-License-Identifier: Apache-2.0
"""One whole run of a profile: how long it takes, and the memory of all its processes together."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qualifying import judged

LOOK_EVERY = 0.1
"""Seconds between two looks at the memory of all processes."""


def session_of(leader: int) -> list[Path]:
    """Return the processes that descend from one, as folders of /proc."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
    family = {leader}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return [Path("/proc") / str(pid) for pid in family]


def memory(processes: list[Path]) -> int:
    """Return their memory in bytes, what they share counted once (Pss, proc(5))."""
    total = 0
    for folder in processes:
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total << 10


def main() -> None:
    """Run it, watch it, and say what was seen against what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qemu", default="10.0")
    parser.add_argument("--profile", default="default")
    parser.add_argument("--workers", default="2")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lf-") as folder:
        started = time.monotonic()
        run = subprocess.Popen(
            [
                sys.executable, "-m", "landfall", "qualify", "--profile", asked.profile,
                "-n", asked.workers, "--src-qemu", asked.qemu, "--dst-qemu", asked.qemu,
                "--results", f"{folder}/results",
            ],
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        peak = 0
        while run.poll() is None:
            peak = max(peak, memory(session_of(run.pid)))
            time.sleep(LOOK_EVERY)  # sampling: nothing is waited for
        took = time.monotonic() - started
    print(judged("wall time", took, 360.0, "s"))
    print(judged("peak memory of all processes", peak / (1 << 30), 3.0, "GiB"))
    print(f"exit status {run.returncode}")


if __name__ == "__main__":
    main()
