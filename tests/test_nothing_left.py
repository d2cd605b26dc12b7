# SPDX-License-Identifier: Apache-2.0
"""However a run ends, nothing of it remains: no process, no socket, no temporary file."""

from __future__ import annotations

import random
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.clock import Bell
from tests.command import qualify

pytestmark = pytest.mark.qemu

SEED = 20090204
AT_A_TIME = 4
SOON = 8.0
"""Seconds after which nothing may be left: a second is usual, xdist's workers give up after 5."""
ALONE, IN_PARALLEL = (), ("-n", "2")


@dataclass(frozen=True)
class Moment:
    """When a run is killed."""

    number: int
    words: tuple[str, ...]
    after: float
    """Seconds."""

    def __str__(self) -> str:
        return f"moment {self.number} of seed {SEED}: {self.after:.3f} s, {self.words}"


def moments() -> list[Moment]:
    """Draw the moments."""
    draw = random.Random(SEED)
    kinds = (ALONE, IN_PARALLEL)
    return [Moment(n, kinds[n % 2], draw.uniform(0.3, 6.0)) for n in range(20)]


def left_after(moment: Moment) -> list[str]:
    """Kill a run at a moment and return what is left of it."""
    with qualify(*moment.words) as run:
        run.run_for(moment.after)
        run.strike(signal.SIGKILL)
        return run.left(SOON)


def together(some: list[Moment]) -> dict[str, list[str]]:
    """Kill a run at each of some moments, a few at a time; return what is left of which."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        left = dict(zip(map(str, some), pool.map(left_after, some), strict=True))
    return {moment: remains for moment, remains in left.items() if remains}


@pytest.mark.parametrize("first", range(0, 20, AT_A_TIME))
def test_nothing_is_left_of_a_killed_run(first: int) -> None:
    """A run that is killed at a random moment leaves nothing behind."""
    some = moments()[first : first + AT_A_TIME]

    left = together(some)

    assert left == {}


@pytest.mark.parametrize("words", [ALONE, IN_PARALLEL], ids=["alone", "parallel"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_nothing_is_left_when_guests_run(number: signal.Signals, words: tuple[str, ...]) -> None:
    """A run that is killed while it moves a guest leaves nothing behind."""
    with qualify(*words) as run:
        run.wait_for_process("guest=destination")

        run.strike(number)

        assert run.left(SOON) == []
        assert run.ended().status == -number


def test_nothing_is_left_of_a_network() -> None:
    """A run that is killed while its guests hang on a bridge leaves none of it behind."""
    with qualify("-k", "follows_the_guest and rtl8139 and not header", profile="default") as run:
        run.wait_for_process("guest=destination")
        run.wait_for_process("network/holder.py")

        run.strike(signal.SIGKILL)

        assert run.left(SOON) == []


@pytest.mark.parametrize(
    ("place", "server"), [("raw-nfs", "ganesha.nfsd"), ("raw-nbd-on-third", "qemu-nbd")]
)
def test_nothing_is_left_of_a_server_of_disks(place: str, server: str, build: QemuBuild) -> None:
    """A run that is killed while its guests use a disk that is served leaves no server behind."""
    if server == "ganesha.nfsd" and not (shutil.which(server) and "nfs" in build.drivers):
        pytest.skip("nobody exports disks here, or nobody can use them")
    with qualify("-k", f"disk_is_there and {place}", profile="default") as run:
        run.wait_for_process(server)
        run.wait_for_process("guest=destination")

        run.strike(signal.SIGKILL)

        assert run.left(SOON) == []


@pytest.mark.parametrize("words", [ALONE, IN_PARALLEL], ids=["alone", "parallel"])
@pytest.mark.parametrize("group", [1, -1], ids=["runner", "terminal"])
def test_interrupted_run_tells_what_it_found(words: tuple[str, ...], group: int) -> None:
    """A run that is interrupted leaves its results so far, exit status 2, and nothing else."""
    with qualify(*words) as run:
        run.wait_for_process("guest=destination")

        run.strike(signal.SIGINT, group * run.process.pid)  # kill(2): a negative pid is a group

        ended = run.ended()
        assert ended.status == ended.document["run"]["exit_status"] == 2
        assert run.left(SOON) == []


def test_nothing_is_left_of_the_first_run_on_a_machine(tmp_path: Path) -> None:
    """A run that is killed while it builds its guest leaves nothing behind, nor in the cache."""
    with qualify(qemu="system", XDG_CACHE_HOME=str(tmp_path)) as run:
        run.wait_for_process("build.sh")

        run.strike(signal.SIGKILL)

        assert run.left(SOON) == []
        assert list(tmp_path.glob("landfall/guests/*")) == []


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="no /dev/kvm: there is nothing to prove")
def test_nothing_is_left_of_a_killed_proof_of_kvm(tmp_path: Path) -> None:
    """A run that is killed while it proves KVM leaves nothing behind."""
    with qualify(qemu="system", XDG_CACHE_HOME=str(tmp_path)) as run:
        run.wait_for_process("guest=kvm-proof")

        run.strike(signal.SIGKILL)

        assert run.left(SOON) == []


def test_the_others_go_on_when_a_worker_is_killed() -> None:
    """A worker that is killed leaves nothing; its scenario is an error, the others are kept."""
    with qualify(*IN_PARALLEL) as run:
        worker = run.parent(run.wait_for_process("guest=source"))
        its_own = run.children(worker)

        run.strike(signal.SIGKILL, worker)
        Bell().wait(
            lambda: not its_own.keys() & run.processes().keys(),
            within=SOON,
            what="the worker's processes to end",
            seen=run.processes,
        )

        ended = run.ended()
        assert ended.status == 3
        others = ended.document["run"]["asked"] - 1
        assert sorted(ended.verdicts.values()) == ["error"] + ["kept"] * others
        assert [each["promise"] for each in ended.scenarios if not each["promise"]] == []
        assert run.left(SOON) == []
