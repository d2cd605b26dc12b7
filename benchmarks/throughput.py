# SPDX-License-Identifier: Apache-2.0
"""How much sooner two workers are through with the 1-vCPU scenarios than one.

.venv/bin/python benchmarks/throughput.py --qemu 10.0
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from qualifying import Neighbours, Qualified, judged, qualify

SCENARIOS = "test_every_vcpu_continues and -1]"
"""Those with one vCPU: their ids end in it."""
EVERY = 4
"""How many there are to a round of --loop: one a live transport."""
GAIN = 1.6
"""Wanted: one worker's time over two workers'."""
WORKERS = (1, 2)


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


def measure(
    folder: Path, qemu: str, loop: int, turns: int
) -> dict[int, list[tuple[float, float]]]:
    """Return, for each number of workers, each turn's wall time and its start-up."""
    times: dict[int, list[tuple[float, float]]] = {workers: [] for workers in WORKERS}
    for turn in range(turns):
        for workers in WORKERS:
            place = folder / f"turn{turn}"
            neighbours = Neighbours()
            fixed = start_up(place, qemu, workers, loop)
            done = run(place, qemu, workers, loop)
            times[workers].append((done.wall, fixed))
            middle = 1000 * median(done.durations("total"))
            print(
                f"-n {workers}: {len(done.scenarios)} scenarios in {done.wall:.2f} s, "
                f"start-up {fixed:.2f} s, a scenario {middle:.0f} ms; {neighbours}"
            )
    return times


def report(times: dict[int, list[tuple[float, float]]]) -> None:
    """Print the ratios of the medians."""
    raw = {workers: median(wall for wall, _ in found) for workers, found in times.items()}
    fixed = {workers: median(start for _, start in found) for workers, found in times.items()}
    corrected = {workers: raw[workers] - fixed[workers] for workers in times}
    print(f"raw {raw[1]:.2f} s / {raw[2]:.2f} s = {raw[1] / raw[2]:.2f} x")
    gain = corrected[1] / corrected[2]
    print(f"without start-up {corrected[1]:.2f} s / {corrected[2]:.2f} s = {gain:.2f} x")
    print(judged("-n 2 against -n 1, without start-up", gain, GAIN, " x", at_least=True))


def main() -> None:
    """Measure and print; a benchmark is no test, it exits 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", default="system", metavar="NAME|PATH", help="as --src-qemu")
    parser.add_argument("--loop", type=int, default=8, help=f"{EVERY} scenarios each, >= 6 (8)")
    parser.add_argument("--turns", type=int, default=3, help="of -n 1 and -n 2 each (3)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        report(measure(Path(folder), chosen.qemu, chosen.loop, chosen.turns))


if __name__ == "__main__":
    main()
