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

from qualifying import HERE, Qualified, judged, qualify, quartiles, quiet_turns

SCENARIO = "test_guest_continues_on_the_destination and tcp"
RATIO = 1.5
"""Wanted: the suite's time over the floor's, windows and memory check apart."""
OVERHEAD = 150.0
"""Wanted: milliseconds that the harness adds to a scenario, at most."""


@dataclass(frozen=True)
class Taken:
    """What one kind of round cost."""

    wall: list[float]
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """Each round's processor seconds and its QEMUs' memory, where they are this kind's own."""
    largest: int = 0
    """Bytes of the largest process."""

    def row(self, name: str) -> str:
        """Return its line of the table."""
        first, middle, third = (1000 * value for value in quartiles(self.wall))
        text = f"{name:34}{middle:7.0f}   {first:4.0f}..{third:<4.0f}"
        if self.rounds:
            both = median(sum(round_["peaks"]) for round_ in self.rounds)
            largest = max(self.largest, *(p for round_ in self.rounds for p in round_["peaks"]))
            text += f"{1000 * median(round_['cpu'] for round_ in self.rounds):9.0f}"
            text += f"{largest / 2**20:9.0f}{both / 2**20:9.0f}"
        return text


@dataclass(frozen=True)
class Turn:
    """A block of the floor and a block of the suite, one after the other."""

    floor: dict[str, Any]
    suite: Qualified


def floor_block(like: Qualified, rounds: int) -> dict[str, Any]:
    """Run some rounds of the floor on a run's build."""
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
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _told_apart(command: list[str]) -> list[str]:
    return [re.sub(r"fd=\d+", "fd=N", word) for word in command]


def differing(suite: Qualified, floor: list[list[str]]) -> list[str]:
    """Return what the suite's command lines and the floor's do not have in common."""
    words = set[str]()
    for side, command in zip(("source", "destination"), floor, strict=True):
        words ^= set(_told_apart(suite.command(side))) ^ set(_told_apart(command))
    return sorted(words)


def measure(qemu: str, rounds: int, block: int, folder: Path) -> list[Turn]:
    """Let floor and suite take turns."""
    arguments = ("--src-qemu", qemu, "-k", SCENARIO, "-p", "meter", "-p", "no:cacheprovider")
    first = qualify(folder / "first", *arguments)  # builds the guest, proves the accelerator

    def turn(number: int) -> Turn:
        floor = floor_block(first, block)
        suite = qualify(folder / f"turn{number}", *arguments, "--loop", str(block))
        for line in suite.unkept:
            print(f"not kept: {line}")
        return Turn(floor, suite)

    turns = quiet_turns(-(-rounds // block), turn)
    words = differing(first, turns[0].floor["rounds"][0]["commands"])
    if words:
        print(f"the floor's command lines are not the suite's: {' '.join(words)}")
    return turns


def of_floor(turns: list[Turn]) -> Taken:
    """Return what the floor cost."""
    rounds = [round_ for turn in turns for round_ in turn.floor["rounds"]]
    largest = max(turn.floor["harness"] for turn in turns)
    return Taken([r["wall"] for r in rounds], rounds, largest)


def of_suite(turns: list[Turn], *apart: str) -> Taken:
    """Return what the scenarios cost, without some of their durations."""
    wall = []
    for turn in turns:
        totals, waits = turn.suite.durations("total"), turn.suite.durations(*apart)
        wall += [total - wait for total, wait in zip(totals, waits, strict=True)]
    rounds = [] if apart else [round_ for turn in turns for round_ in turn.suite.meter]
    return Taken(wall, rounds, max(turn.suite.largest for turn in turns))


def report(turns: list[Turn]) -> None:
    """Print the table, and the figures against what is wanted."""
    facts = turns[0].suite.facts
    build = facts["builds"]["source"]
    floor, whole = of_floor(turns), of_suite(turns)
    apart = of_suite(turns, "window", "memory_check")
    around = Taken([round_["wall"] for turn in turns for round_ in turn.suite.meter])
    print(f"QEMU {build['version']} ({build['name']}), {facts['accel']}")
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
    parser.add_argument("--rounds", type=int, default=15, help="of each (15)")
    parser.add_argument("--block", type=int, default=5, help="rounds a turn, at least 2 (5)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        report(measure(chosen.qemu, chosen.rounds, chosen.block, Path(folder)))


if __name__ == "__main__":
    main()
