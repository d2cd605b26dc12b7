# SPDX-License-Identifier: Apache-2.0
"""What the suite's tcp scenario costs above the floor, on one build, in one run.

    .venv/bin/python benchmarks/overhead.py --qemu 10.0 --rounds 15

Floor and suite take turns in blocks, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from qualifying import HERE, Neighbours, Qualified, judged, qualify, quartiles

SCENARIO = "test_guest_continues_on_the_destination and tcp"
RATIO = 1.5
"""Wanted: the suite's time over the floor's, windows and memory check apart."""
OVERHEAD = 150.0
"""Wanted: milliseconds that the harness adds to a scenario, at most."""


@dataclass
class Taken:
    """What one kind of round cost, one entry a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    both: list[int] = field(default_factory=list)
    """Bytes of both QEMUs together."""
    largest: int = 0
    """Bytes of the largest process."""
    harness: int = 0
    """Bytes of the script, or of pytest where it is larger than any QEMU."""

    def add(self, round_: dict[str, Any]) -> None:
        """Take in one round's processor time and memory."""
        self.cpu.append(round_["cpu"])
        self.both.append(sum(round_["peaks"]))
        self.largest = max(self.largest, *round_["peaks"])

    def row(self, name: str) -> str:
        """Return its line of the table."""
        first, middle, third = (1000 * value for value in quartiles(self.wall))
        text = f"{name:34}{middle:7.0f}   {first:4.0f}..{third:<4.0f}"
        if self.cpu:
            text += f"{1000 * median(self.cpu):9.0f}"
            text += f"{self.largest / 2**20:9.0f}{median(self.both) / 2**20:9.0f}"
        return text


def floor_block(like: Qualified, rounds: int, taken: Taken) -> list[list[str]]:
    """Run some rounds of the floor on a run's build; return the last command lines."""
    command = like.command("source")
    # fmt: off
    script = [
        sys.executable, "-I", "-S", str(HERE / "floor.py"),
        "--qemu", command[0],
        "--kernel", command[command.index("-kernel") + 1],
        "--accel", like.facts["accel"],
        "--rounds", str(rounds),
    ]
    # fmt: on
    done = subprocess.run(script, stdout=subprocess.PIPE, check=True, timeout=60.0 * rounds)
    said = json.loads(done.stdout)
    for round_ in said["rounds"]:
        taken.wall.append(round_["wall"])
        taken.add(round_)
    taken.largest = max(taken.largest, said["harness"])
    return list(said["rounds"][-1]["commands"])


def suite_block(run: Qualified, whole: Taken, apart: Taken, around: Taken) -> None:
    """Take in a run of the suite: its scenarios, without their waits, and with pytest's work."""
    for line in run.unkept:
        print(f"not kept: {line}")
    whole.wall += run.durations("total")
    waited = run.durations("window", "memory_check")
    apart.wall += [t - w for t, w in zip(run.durations("total"), waited, strict=True)]
    for round_ in run.meter:
        around.wall.append(round_["wall"])
        whole.add(round_)
    whole.largest = max(whole.largest, run.largest)


def _told_apart(command: list[str]) -> list[str]:
    return [re.sub(r"fd=\d+", "fd=N", word) for word in command]


def differing(suite: Qualified, floor: list[list[str]]) -> list[str]:
    """Return what the suite's command lines and the floor's do not have in common."""
    words = set[str]()
    for side, command in zip(("source", "destination"), floor, strict=True):
        words ^= set(_told_apart(suite.command(side))) ^ set(_told_apart(command))
    return sorted(words)


def measure(qemu: str, rounds: int, block: int, folder: Path) -> tuple[Qualified, list[Taken]]:
    """Let floor and suite take turns; return a run of the suite and what each cost."""
    arguments = ("--src-qemu", qemu, "-k", SCENARIO, "-p", "meter", "-p", "no:cacheprovider")
    first = qualify(folder / "first", *arguments)  # builds the guest, proves the accelerator
    floor, *suite = taken = [Taken() for _ in range(4)]
    for start in range(0, rounds, block):
        count = min(block, rounds - start)
        commands = floor_block(first, count, floor)
        run = qualify(folder / f"from{start}", *arguments, "--loop", str(count))
        suite_block(run, *suite)
    words = differing(first, commands)
    if words:
        print(f"the floor's command lines are not the suite's: {' '.join(words)}")
    return first, taken


def report(run: Qualified, floor: Taken, whole: Taken, apart: Taken, around: Taken) -> None:
    """Print the table, and the figures against what is wanted."""
    build = run.facts["builds"]["source"]
    print(f"QEMU {build['version']} ({build['name']}), {run.facts['accel']}")
    print(f"{'':34}{'wall ms':>7}{'quartiles':>13}{'CPU ms':>9}{'largest':>9}{'QEMUs':>9} MiB")
    print(floor.row(f"floor, {len(floor.wall)} rounds"))
    print(whole.row(f"suite, {len(whole.wall)} rounds"))
    print(apart.row("  windows and memory check apart"))
    print(around.row("  with pytest's work around it"))
    base = median(floor.wall)
    print(f"ratio {median(whole.wall) / base:.2f}, apart {median(apart.wall) / base:.2f}")
    print(judged("ratio, windows and memory check apart", median(apart.wall) / base, RATIO, ""))
    above = 1000 * (median(apart.wall) - base)
    print(judged("overhead a scenario, the same apart", above, OVERHEAD, " ms"))


def main() -> None:
    """Measure and print; a benchmark is no test, it exits 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", default="system", metavar="NAME|PATH", help="as --src-qemu")
    parser.add_argument("--rounds", type=int, default=15, help="of each, at least 2 (15)")
    parser.add_argument("--block", type=int, default=5, help="rounds before the other's turn (5)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        neighbours = Neighbours()
        run, taken = measure(chosen.qemu, chosen.rounds, chosen.block, Path(folder))
        report(run, *taken)
        print(neighbours)


if __name__ == "__main__":
    main()
