# SPDX-License-Identifier: Apache-2.0
"""How much sooner two workers are through with the 1-vCPU scenarios than one.

.venv/bin/python benchmarks/throughput.py --qemu 10.0
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from qualifying import Qualified, judged, qualify, quiet_turns

SCENARIOS = "test_every_vcpu_continues and -1]"
"""Those with one vCPU: their ids end in it."""
EVERY = 4
"""How many there are to a round of --loop: one a live transport."""
GAIN = 1.6
"""Wanted: one worker's time over two workers'."""
WORKERS = (1, 2)


class Timed(NamedTuple):
    """One run."""

    wall: float
    fixed: float
    """What of it is start-up and end, whatever is run."""

    @property
    def without(self) -> float:
        """Seconds for the scenarios alone."""
        return self.wall - self.fixed


def run(folder: Path, qemu: str, workers: int, loop: int, shard: str = "1/1") -> Qualified:
    """Run the scenarios on some workers."""
    # fmt: off
    done = qualify(
        folder / f"{workers}-{shard.replace('/', 'of')}",
        "--src-qemu", qemu,
        "-k", SCENARIOS,
        "-n", str(workers),
        "--loop", str(loop),
        "--shard", shard,
        "-p", "no:cacheprovider",
    )
    # fmt: on
    for line in done.unkept:
        print(f"not kept: {line}")
    return done


def start_up(folder: Path, qemu: str, workers: int, loop: int) -> float:
    """Return what a run costs that has but one scenario, without that scenario."""
    alone = run(folder, qemu, workers, loop, f"1/{EVERY * loop}")
    return alone.wall - sum(alone.durations("total"))


def turn(folder: Path, qemu: str, loop: int) -> dict[int, Timed]:
    """Let one worker, then two, run the scenarios."""
    found = {}
    for workers in WORKERS:
        fixed = start_up(folder, qemu, workers, loop)
        done = run(folder, qemu, workers, loop)
        found[workers] = Timed(done.wall, fixed)
        middle = 1000 * median(done.durations("total"))
        print(
            f"-n {workers}: {len(done.scenarios)} scenarios in {done.wall:.2f} s, "
            f"start-up {fixed:.2f} s, a scenario {middle:.0f} ms",
            flush=True,
        )
    return found


def report(turns: list[dict[int, Timed]]) -> None:
    """Print the ratios of the medians."""
    raw = {workers: median(t[workers].wall for t in turns) for workers in WORKERS}
    without = {workers: median(t[workers].without for t in turns) for workers in WORKERS}
    print(f"medians of {len(turns)} turns:")
    print(f"raw {raw[1]:.2f} s / {raw[2]:.2f} s = {raw[1] / raw[2]:.2f} x")
    gain = without[1] / without[2]
    print(f"without start-up {without[1]:.2f} s / {without[2]:.2f} s = {gain:.2f} x")
    print(judged("-n 2 against -n 1, without start-up", gain, GAIN, " x", at_least=True))


def main() -> None:
    """Measure and print; a benchmark is no test, it exits 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", default="system", metavar="NAME|PATH", help="as --src-qemu")
    parser.add_argument("--loop", type=int, default=8, help=f"{EVERY} scenarios each, >= 6 (8)")
    parser.add_argument("--turns", type=int, default=3, help="quiet ones, of -n 1 and -n 2 (3)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        place = Path(folder)
        report(
            quiet_turns(chosen.turns, lambda n: turn(place / f"turn{n}", chosen.qemu, chosen.loop))
        )


if __name__ == "__main__":
    main()
