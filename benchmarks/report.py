# SPDX-License-Identifier: Apache-2.0
"""report.html of a great run: its size, how long it takes to be made and to be of use.

A real run's scenarios, evidence and all, are told again and again until there are enough, each
time under another id. A headless Chromium then opens the page: what is told is the time from the
navigation to the moment when everything is drawn and can be used, and what a search costs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, browser, found  # noqa: E402

from landfall.report import html, results  # noqa: E402 - found beside the tests' browser
from landfall.report.run import Run  # noqa: E402

LARGEST = 15e6
"""Bytes that the page of 5,000 scenarios may have."""
SLOWEST = 2.0
"""Seconds that it may take to be of use."""
SEARCH = """(() => { const began = performance.now(); controls.search.value = 'tcp';
takeControls(); const took = performance.now() - began; clearFilters(); return took; })()"""


def multiplied(run: Run, scenarios: int) -> Run:
    """Return a run of so many scenarios, made of those that ran."""
    many = [
        replace(one, id=f"{one.id}#{number}")
        for number, one in zip(count(1), islice(cycle(run.scenarios), scenarios), strict=False)
    ]
    return replace(run, scenarios=tuple(many), asked=len(many))


def opened(page: Path, window: Browser) -> tuple[float, float]:
    """Return the seconds that a page takes to be of use, and that a search in it takes."""
    shown = window.open(page.as_uri()).ready()
    took = float(shown.run("document.documentElement.dataset.ready")) / 1000
    return took, float(shown.run(SEARCH)) / 1000


def measure(folder: Path, run: Run, scenarios: int, rounds: int) -> tuple[float, float]:
    """Make and open the page of so many scenarios, tell of it, and return its size and time."""
    began = time.monotonic()
    page = html.write(multiplied(run, scenarios), folder)
    made = time.monotonic() - began
    size = page.stat().st_size
    with browser() as window:
        seen = [opened(page, window) for _ in range(rounds)]
    use, search = (median(times) for times in zip(*seen, strict=True))
    print(
        f"{scenarios:6} scenarios: {size / 1e6:6.2f} MB, made in {made:.2f} s, "
        f"of use after {use:.2f} s, a search takes {search * 1000:.0f} ms"
    )
    return size, use


def main() -> None:
    """Measure a small run and a great one, made of the same scenarios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the results folder of a real run")
    parser.add_argument("--scenarios", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if not found():
        sys.exit("no browser here: install chromium")
    run = results.read(asked.run)
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as name:
        folder = Path(name)
        shutil.copytree(asked.run / "evidence", folder / "evidence", copy_function=os.link)
        small = measure(folder, run, min(50, asked.scenarios), asked.rounds)
        great = measure(folder, run, asked.scenarios, asked.rounds)
    print(f"{great[1] / small[1]:.1f} times as long for {asked.scenarios / 50:.0f} times as many")
    fits = great[0] <= LARGEST and great[1] <= SLOWEST
    print(f"{'PASS' if fits else 'MISS'}: at most {LARGEST / 1e6:.0f} MB and {SLOWEST:.0f} s")


if __name__ == "__main__":
    main()
