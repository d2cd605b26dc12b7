# SPDX-License-Identifier: Apache-2.0
"""The guest linux: from exec to its first word, fresh and from a kept state, and a pair's memory.

Fresh and warm starts take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from qualifying import judged
from whole import memory

from landfall import build, fetch, guest
from landfall.build import QemuBuild
from landfall.guest import cache_folder
from landfall.host import LocalHost
from landfall.keeping import wake, warm_vm
from landfall.machine import Machine
from landfall.migration import migrate
from landfall.reactor import Reactor
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.vm import VM

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Round:
    """One pair started fresh and one started warm; seconds, and bytes."""

    first_word: float
    ready: float
    warm: float
    """From exec to the first heartbeat that is not of the kept life."""
    pair: int
    """Proportional memory of both QEMUs when the guest has been moved."""


def played(host: LocalHost, reactor: Reactor, qemu: QemuBuild, machine: Machine) -> Round:
    """Start the guest both ways, move it, and end everything."""
    with tempfile.TemporaryDirectory(prefix="lf-") as folder:
        stage = Stage(host, reactor, Path(folder))
        try:
            fresh = VM(stage, qemu, machine, "source")
            fresh.start()
            fresh.connect()
            fresh.wait_for_guest()
            ready = time.monotonic() - fresh.started
            warm = warm_vm(stage, qemu, machine)
            warm.start()
            warm.connect()
            assert warm.kept
            wake(warm, warm.kept)
            first = warm.line.heard[len(warm.kept.heard)].at - warm.started
            twin = fresh.ready_twin()
            migrate(fresh, to=twin, via=TCP)
            twin.verify_memory()
            pair = memory([Path("/proc") / str(vm.process.pid) for vm in (fresh, twin)])
            return Round(fresh.line.heard[0].at - fresh.started, ready, first, pair)
        finally:
            for vm in stage.vms:
                vm.bury()


def main() -> None:
    """Play the rounds and say what was seen against what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qemu", default="10.0")
    parser.add_argument("--guest", default="linux-64")
    parser.add_argument("--machine", default="q35")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    with LocalHost() as host, Reactor() as reactor:
        fetched = {b.name: str(b.path) for b in fetch.fetched(cache_folder("qemu"))}
        qemu = build.probe(*build.find(asked.qemu, fetched), host)
        machine = Machine(
            guest.load(asked.guest, ROOT / "guests", host), asked.machine, memory=128
        )
        rounds = [played(host, reactor, qemu, machine) for _ in range(asked.rounds)]
    fresh, warm = (median(getattr(r, key) for r in rounds) for key in ("ready", "warm"))
    print(judged("first statement, fresh", median(r.first_word for r in rounds), 4.0, "s"))
    print(f"ready, fresh: {fresh:.2f} s")
    print(judged("first statement, from a kept state", warm, 0.5, "s"))
    print(f"a fresh start takes {fresh / warm:.1f} times as long as a warm one")
    print(judged("memory of one pair", max(r.pair for r in rounds) / (1 << 20), 700.0, "MiB"))


if __name__ == "__main__":
    main()
