# SPDX-License-Identifier: Apache-2.0
"""The tcp scenario on two ssh hosts of this machine, against the same with both sides here."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from qualifying import HERE, judged, qualify

SUITE = str(HERE.parent / "suites" / "test_success.py")
CHOSEN = "test_guest_continues_on_the_destination and tcp"
HOSTS = str(HERE.parent / "tests" / "hosts" / "two-loopback.toml")
WANTED = 2.0


def main() -> None:
    """Run both by turns, and say what was seen against what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qemu", default="10.0")
    parser.add_argument("--inventory", default=HOSTS)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    chosen = (SUITE, "-k", CHOSEN, "--loop", str(asked.rounds))
    builds = ("--src-qemu", asked.qemu, "--dst-qemu", asked.qemu)
    ways: dict[str, tuple[str, ...]] = {"here": (), "hosts": ("--inventory", asked.inventory)}
    took: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="lf-") as folder:
        for turn in range(asked.turns):  # by turns: a machine that slows down slows both
            for way, words in ways.items():
                run = qualify(Path(folder, f"{way}{turn}"), *chosen, *builds, *words)
                print("\n".join(run.unkept), end="")
                took[way] += run.durations("total")
    here, hosts = (median(took[way]) for way in ways)
    print(f"medians of {len(took['here'])}: here {here:.3f} s, on two hosts {hosts:.3f} s")
    print(judged("two hosts against here", hosts / here, WANTED, " times"))


if __name__ == "__main__":
    main()
