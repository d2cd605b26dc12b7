# SPDX-License-Identifier: Apache-2.0
"""What cannot be done is refused in one line that says what, where and what to do."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from landfall.build import SYSTEM_BINARIES
from tests.command import Command, Ended, command, qualify

USAGE = 4
REFUSED = [
    pytest.param("--src-qemu /nowhere/qemu", ["'/nowhere/qemu'", "fetch"], id="no-such-qemu"),
    pytest.param("--matrix system", ["leave system out"], id="matrix-and-side"),
    pytest.param("--dst-qemu 1.0", ["'1.0'", "system", "fetch"], id="no-such-build"),
    pytest.param("--src-qemu /etc", ["in /etc", "qemu-system-x86_64", "give"], id="no-qemu-there"),
    pytest.param("--src-qemu /etc/passwd", ["/etc/passwd", "executable", "give"], id="no-program"),
    pytest.param("--src-qemu /bin/ls", ["ls is not QEMU", "GNU coreutils", "give"], id="not-qemu"),
    pytest.param("--machine warp", ["--machine warp", "q35"], id="machine"),
    pytest.param("--guest nobody", ["--guest nobody", "there are ", "pulse-64"], id="guest"),
    pytest.param(
        "--guest-kernel /nowhere", ["--guest-kernel /nowhere", "No such"], id="no-kernel"
    ),
    pytest.param("--guest-kernel /bin/sh", ["/bin/sh", "no Linux version"], id="not-a-kernel"),
    pytest.param(
        "--guest-kernel /etc", ["--guest-kernel /etc", "no boot/vmlinuz-VERSION"], id="no-root"
    ),
    pytest.param("--profile all", ["--profile all", "smoke, default"], id="profile"),
    pytest.param("--accel warp", ["--accel warp", "auto, kvm or tcg"], id="accel"),
    pytest.param("--results /etc/passwd/r", ["/etc/passwd/r", "can be written"], id="results"),
    pytest.param("--shard 3/2", ["--shard 3/2", "such as 2/4"], id="shard"),
    pytest.param("--minutes 0", ["--minutes 0", "such as 60"], id="minutes"),
    pytest.param("--minutes nan", ["--minutes nan", "such as 60"], id="no-minutes"),
    pytest.param("--shard one", ["--shard one", "such as 2/4"], id="no-shard"),
    pytest.param("--shards 0", ["--shards 0", "at least 1"], id="no-shards"),
    pytest.param("--shards 4", ["plan --json", "use --shard I/N"], id="shards-of-a-run"),
    pytest.param("--loop 0", ["--loop 0", "at least 1"], id="loop"),
]
REFUSED_MATRIX = [
    pytest.param("system,system", ["each once"], id="twice"),
    pytest.param("system,", ["each once"], id="nothing"),
    pytest.param("system,1.0", ["'1.0'", "fetch"], id="no-such-build"),
]
NO_COMMAND = [
    pytest.param("fly", ["'fly'", "qualify"], id="command"),
    pytest.param("qemu fetch newest", ["newest", "give one like 10.0"], id="fetch"),
    pytest.param("qemu diff system", ["NAME|PATH"], id="diff-of-one"),
    pytest.param("qemu diff system 99.9", ["'99.9'", "fetch"], id="diff-with-none"),
    pytest.param(
        "qemu diff system system --machine fridge", ["no machine type fridge"], id="diff-machine"
    ),
    pytest.param("qemu sell", ["sell", "fetch"], id="action"),
    pytest.param("qemu fetch", ["fetch", "version"], id="no-version"),
    pytest.param("doctor --all", ["--all"], id="option"),
    pytest.param(
        "qemu fetch 99.9", ["99.9", "fetch one of these"], id="version", marks=pytest.mark.network
    ),
]
needs_qemu = pytest.mark.skipif(
    not any(map(shutil.which, SYSTEM_BINARIES)), reason="no QEMU of the machine's own"
)


def expect_one_line(ended: Ended, words: list[str]) -> None:
    """Check that a command was refused in one line that has these words in it."""
    said = [line for line in (ended.output + ended.errors).splitlines() if line.strip()]
    assert len(said) == 1, said
    assert [word for word in words if word not in said[0]] == []
    assert ended.status == USAGE


def expect_nothing_left(run: Command) -> None:
    """Check that a command left no process, no temporary file and no results."""
    assert run.left(5.0) == []
    assert not run.results.exists()


@needs_qemu
@pytest.mark.parametrize(("asked", "words"), REFUSED)
def test_impossible_run_is_refused_in_one_line(asked: str, words: list[str]) -> None:
    """What cannot be qualified is refused in one line, and nothing is left of it."""
    with qualify(*shlex.split(asked), qemu="system") as run:
        ended = run.ended()

        expect_one_line(ended, words)
        expect_nothing_left(run)


@needs_qemu
@pytest.mark.parametrize(("builds", "words"), REFUSED_MATRIX)
def test_impossible_matrix_is_refused_in_one_line(builds: str, words: list[str]) -> None:
    """So is a matrix of builds that cannot be."""
    with qualify("--matrix", builds, qemu="") as run:
        expect_one_line(run.ended(), words)
        expect_nothing_left(run)


@pytest.mark.parametrize(("asked", "words"), NO_COMMAND)
def test_unknown_command_is_refused_in_one_line(
    tmp_path: Path, asked: str, words: list[str]
) -> None:
    """A command that there is not is refused in one line, and leaves no build behind."""
    with command("-m", "landfall", *shlex.split(asked), XDG_CACHE_HOME=str(tmp_path)) as run:
        ended = run.ended()

        expect_one_line(ended, words)
        expect_nothing_left(run)
        assert {path.name for path in tmp_path.glob("landfall/qemu/*")} <= {".lock"}


@needs_qemu
@pytest.mark.qemu
def test_kvm_that_runs_no_guests_is_refused(no_kvm: str) -> None:
    """`--accel kvm` where KVM runs no guests is refused, with what came of trying."""
    with qualify("--accel", "kvm", qemu="system") as run:
        ended = run.ended()

        expect_one_line(ended, ["--accel kvm", no_kvm, "use --accel tcg"])
        expect_nothing_left(run)


@needs_qemu
def test_qemu_for_another_machine_is_refused(tmp_path: Path) -> None:
    """A QEMU that has no x86_64 machines is refused, and told from a program that is no QEMU."""
    binary = tmp_path / "qemu-system-other"
    own = next(filter(None, map(shutil.which, SYSTEM_BINARIES)))
    binary.write_text(f'#!/bin/sh\n{own} "$@" | sed s/q35/virt/g\n')
    binary.chmod(0o755)

    with qualify("--src-qemu", str(binary), qemu="system", XDG_CACHE_HOME=str(tmp_path)) as run:
        ended = run.ended()

        expect_one_line(ended, [str(binary), "no x86_64 machine q35", "give a qemu-system-x86_64"])
        expect_nothing_left(run)


def test_earlier_run_is_not_overwritten() -> None:
    """Results are never written over those of an earlier run."""
    with qualify(qemu="system") as run:
        run.results.mkdir()
        (run.results / "results.json").write_text("{}")

        ended = run.ended()

        expect_one_line(ended, ["../results", "holds an earlier run", "name another folder"])
        assert [path.name for path in run.results.iterdir()] == ["results.json"]
