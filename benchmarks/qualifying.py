# SPDX-License-Identifier: Apache-2.0
"""A `landfall qualify` of the checkout that this file lies in, and what it wrote."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

from floor import cpu_seconds

HERE = Path(__file__).resolve().parent
DEADLINE = 900.0
"""Seconds one run may take before it is ended."""
QUIET = 0.05
"""The share of all CPUs that others may take of a turn that counts."""
T = TypeVar("T")


@dataclass(frozen=True)
class Qualified:
    """A run that has ended."""

    folder: Path
    wall: float
    """Seconds from the start of the process to its end."""
    facts: dict[str, Any]
    """`run` of its results.json."""
    meter: list[dict[str, Any]]
    """What `-p meter` noted, in the same order as the scenarios ran."""
    largest: int
    """Bytes of the largest process among pytest and those it reaped."""

    @property
    def scenarios(self) -> list[dict[str, Any]]:
        """The scenarios of its results.json."""
        return list(self.facts["scenarios"])

    def durations(self, *names: str) -> list[float]:
        """Return, for each scenario, the sum of some of its durations in seconds."""
        return [sum(s["durations"][name] for name in names) for s in self.scenarios]

    @property
    def unkept(self) -> Iterator[str]:
        """What was not kept: a time that stands for something else."""
        for scenario in self.scenarios:
            if scenario["verdict"] != "kept":
                yield f"{scenario['id']}: {scenario['verdict']}: {scenario['reason']}"

    def command(self, side: str) -> list[str]:
        """Return the command line of one side of its first scenario."""
        evidence = self.folder / self.scenarios[0]["evidence"]
        return shlex.split((evidence / side / "command").read_text())


def qualify(folder: Path, *arguments: str) -> Qualified:
    """Run the suites of this checkout; what it prints is kept in the folder."""
    folder.mkdir(parents=True)
    meter = folder / "meter.jsonl"
    path = [str(HERE.parent / "fixtures"), str(HERE)]
    environment = {**os.environ, "PYTHONPATH": ":".join(path), "LANDFALL_METER": str(meter)}
    command = [sys.executable, "-m", "landfall", "qualify", *arguments, f"--results={folder}"]
    with (folder / "output").open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        guard = threading.Timer(DEADLINE, process.terminate)
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        guard.cancel()
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    try:
        facts = json.loads((folder / "results.json").read_text())["run"]
    except FileNotFoundError:
        raise SystemExit((folder / "output").read_text()) from None
    lines = meter.read_text().splitlines() if meter.exists() else []
    noted = [json.loads(line) for line in lines]
    return Qualified(folder, wall, facts, noted, usage.ru_maxrss << 10)


def quartiles(values: list[float]) -> list[float]:
    """Return the first quartile, the median and the third."""
    return quantiles(values, n=4, method="inclusive")


def quiet_turns(wanted: int, turn: Callable[[int], T]) -> list[T]:
    """Take turns until enough were undisturbed, at most four times as many; return those.

    Where none was, all count: then the figures are told to be of a busy machine.
    """
    quiet, every = list[T](), list[T]()
    for number in range(4 * wanted):
        before = time.monotonic(), _busy(), cpu_seconds()
        every.append(turn(number))
        wall, busy, ours = (
            now - then
            for now, then in zip((time.monotonic(), _busy(), cpu_seconds()), before, strict=True)
        )
        others = max(0.0, busy - ours) / (wall * (os.cpu_count() or 1))
        if others <= QUIET:
            quiet.append(every[-1])
        else:
            print(f"turn {number + 1} not counted: others took {others:.0%} of all CPUs")
        if len(quiet) == wanted:
            break
    if not quiet:
        print("no turn was quiet: these are figures of a busy machine")
    return quiet or every


def _busy() -> float:
    """Return the seconds that all CPUs together have worked since boot (proc_stat(5))."""
    user, nice, system, _, _, irq, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def judged(what: str, value: float, limit: float, unit: str, *, at_least: bool = False) -> str:
    """Return the line that holds a figure against what is wanted of it."""
    good = value >= limit if at_least else value <= limit
    sign = ">=" if at_least else "<="
    return (
        f"{'PASS' if good else 'MISS'}  {what}: {value:.4g}{unit} (wanted {sign} {limit:g}{unit})"
    )
