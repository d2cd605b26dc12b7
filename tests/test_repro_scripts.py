# SPDX-License-Identifier: Apache-2.0
"""The scripts themselves, with real QEMU: away from the checkout, in an empty environment."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from landfall.__main__ import main
from tests.command import BUILDS, ROOT, SOUND, qualify

pytestmark = pytest.mark.qemu

MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
LOST_PAGE = "suites/test_speed.py::test_ram_is_passed_over_again[tcp-16]"
MOVED = "suites/test_success.py::test_guest_continues_on_the_destination[tcp]"
needs = pytest.mark.skipif(
    not {"5.2", "7.2", "10.0", "11.1"} <= set(BUILDS),
    reason="needs builds: ./landfall qemu fetch 5.2 7.2 10.0 11.1",
)


def written(folder: Path, scenario: str, *words: str, qemu: str = SOUND, **more: str) -> Path:
    """Run a scenario and have its script written; return where that is."""
    script = folder / "repro.sh"
    with qualify(str(ROOT / scenario), *words, qemu=qemu, profile="full", **more) as run:
        run.ended()
        assert main(["repro", scenario, "--results", str(run.results), "--to", str(script)]) == 0
    return script


def play(script: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Play a script where nothing of Landfall's is at hand."""
    return subprocess.run(
        ["/bin/sh", str(script), *words],
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd="/",
        text=True,
        capture_output=True,
        timeout=180,
    )


@pytest.fixture(scope="module")
def lost_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of a known bug: QEMU 7.2 loses pages that are written while they are sent."""
    return written(tmp_path_factory.mktemp("lost"), LOST_PAGE, qemu="7.2")


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of a scenario in whose stream a byte was changed."""
    return written(tmp_path_factory.mktemp("flipped"), MOVED, "--through", f"{MUTATE} flip-byte")


@needs
def test_known_bug_shows_on_its_build_and_on_no_sound_one(lost_page: Path) -> None:
    """It ends 1 with the build it was recorded on and the one before, and 0 with two later."""
    recorded, *others = (
        play(lost_page, **({"QEMU": BUILDS[name]} if name else {}))
        for name in ("", "5.2", "10.0", "11.1")
    )

    assert recorded.returncode == 1, recorded.stdout + recorded.stderr
    assert "round 1: the bug shows: on the destination the guest " in recorded.stdout
    assert [one.returncode for one in others] == [1, 0, 0]


@needs
def test_evidence_of_the_failing_round_is_kept(lost_page: Path, tmp_path: Path) -> None:
    """Until it fails: both transcripts, both guests' words and what was seen are there then."""
    keep = tmp_path / "kept"

    played = play(lost_page, "--until-fail", "--loop", "5", "--keep", str(keep))

    assert played.returncode == 1
    (failing,) = keep.iterdir()
    kept = {str(path.relative_to(failing)) for path in failing.rglob("*") if path.is_file()}
    assert kept == {
        "verdict",
        *(f"{who}/{name}" for who in ("source", "destination") for name in FILES),
    }
    assert "the bug shows" in (failing / "verdict").read_text()


FILES = ("qmp.jsonl", "serial", "stderr")


def test_mutant_shows_with_its_filter_and_not_without(flipped: Path) -> None:
    """A byte that a filter changes ends it 1, no filter 0, and a filter that drops a clock 1."""
    assert [
        play(flipped, **environment).returncode
        for environment in ({}, {"THROUGH": ""}, {"THROUGH": f"{MUTATE} zero-page"})
    ] == [1, 0, 1]


def test_every_round_is_counted(flipped: Path) -> None:
    """Of several rounds each is played, and how many show the bug is told."""
    played = play(flipped, "--loop", "2", THROUGH="")

    assert played.stdout.splitlines()[-1] == "0 of 2 rounds show the bug"
    assert played.returncode == 0


@pytest.mark.parametrize("qemu", ["/nowhere/qemu", "/bin/false"])
def test_build_that_does_not_start_decides_nothing(flipped: Path, qemu: str) -> None:
    """A build that does not start ends it 125, which `git bisect run` skips."""
    played = play(flipped, QEMU=qemu, THROUGH="")

    assert played.returncode == 125
    assert "QEMU does not start" in played.stdout


def test_wrong_option_decides_nothing(flipped: Path) -> None:
    """So does an option that it has not: argparse's own 2 would be *bad* to `git bisect run`."""
    played = play(flipped, "--loop", "x")

    assert played.returncode == 125
    assert len(played.stderr.splitlines()) == 1


def test_evidence_that_cannot_be_kept_changes_no_verdict(flipped: Path) -> None:
    """The bug shows, wherever its evidence was to go."""
    played = play(flipped, "--keep", "/etc/passwd/x")

    assert played.returncode == 1
    assert "cannot be kept in /etc/passwd/x/round-1: Not a directory" in played.stdout
    assert not played.stderr


def test_nothing_is_left(flipped: Path, tmp_path: Path) -> None:
    """Neither a process nor a file of it is left, whether the bug shows or not."""
    mark = f"LEFT_{os.getpid()}"
    for through in ("", f"{MUTATE} flip-byte"):
        play(flipped, THROUGH=through, TMPDIR=str(tmp_path), **{mark: "1"})

    assert list(tmp_path.iterdir()) == []
    living = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if mark.encode() in _content(path)
    ]
    assert living == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "scenario",
    [
        "suites/test_success.py::test_guest_continues_on_the_destination[unix]",
        "suites/test_success.py::test_guest_continues_on_the_destination[fd]",
        "suites/test_success.py::test_guest_continues_on_the_destination[exec]",
        "suites/test_success.py::test_guest_continues_from_a_file[file]",
        "suites/test_success.py::test_guest_continues_from_a_file[exec-file]",
        "suites/test_failure.py::test_guest_continues_on_the_source[destination-killed-first-pass]",
        "suites/test_failure.py::test_guest_continues_on_the_source[reset-first-pass]",
    ],
)
def test_scenario_that_is_kept_is_kept_by_its_script(tmp_path: Path, scenario: str) -> None:
    """By each transport, and whatever is done to it: what is sound is found sound."""
    played = play(written(tmp_path, scenario))

    assert played.returncode == 0, played.stdout + played.stderr


def test_sequence_that_fails_becomes_a_script(tmp_path: Path) -> None:
    """A sequence of steps that fails shows the bug as a script."""
    steps = tmp_path / "steps"
    steps.write_text("set-downtime\nmigrate tcp nothing\nfinish\n")
    spoilt = ("--through", f"{MUTATE} flip-byte", "--sequence", str(steps))
    scenario = "suites/test_sequences.py::test_guest_is_where_it_should_be[seed-1]"

    script = written(tmp_path, scenario, *spoilt)

    assert play(script).returncode == 1
    assert play(script, THROUGH="").returncode == 0


@needs
def test_bisection_finds_the_build(lost_page: Path, tmp_path: Path) -> None:
    """`git bisect run` with the script ends at the first build in a chain without the bug."""
    names = ["5.2", "7.2", "10.0", "11.1"]
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@localhost", "-C", str(tmp_path)]

    def run(*words: str) -> str:
        return subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout

    run("init", "-q")
    for name in names:
        (tmp_path / "build").write_text(BUILDS[name] + "\n")
        run("add", "build")
        run("commit", "-q", "-m", name)
    run("bisect", "start", "--term-old", "broken", "--term-new", "fixed")
    run("bisect", "fixed", "HEAD")
    run("bisect", "broken", "HEAD~3")
    keep = shlex.quote(str(tmp_path / "kept"))
    found = run("bisect", "run", "sh", "-c", AS_IN_THE_GUIDE.format(lost_page, keep))

    assert "is the first fixed commit" in found
    assert run("log", "-1", "--format=%s", "refs/bisect/fixed").strip() == "10.0"


AS_IN_THE_GUIDE = """QEMU=$(cat build) sh {} --keep {}
case $? in 0) exit 1 ;; 1) exit 0 ;; *) exit 125 ;; esac"""
"""A fix is looked for: where the bug shows is old (docs/bisect.md)."""
