# SPDX-License-Identifier: Apache-2.0
"""`./landfall cpu-baseline` on real builds: what it says is what both start with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from landfall.baseline.definitions import asked
from landfall.baseline.proof import expect_start, settled
from landfall.baseline.strongest import Pair, strongest
from landfall.build import QemuBuild, find, probe
from landfall.errors import UsageError
from landfall.host import LocalHost
from tests.command import ROOT, SOUND

pytestmark = pytest.mark.qemu
OLDER = "pc-q35-7.2"
"""A machine type that every build from 7.2 to 11.1 has."""


@pytest.fixture(scope="module")
def other(host: LocalHost) -> QemuBuild:
    """The machine's own build, which is another where one was fetched."""
    return probe(*find("system", {}, host), host)


def cpu_baseline(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command under TCG."""
    argv = [sys.executable, "-m", "landfall", "cpu-baseline", "--accel=tcg", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_told_is_ready_to_paste() -> None:
    """The first line starts QEMU, and the document says the same for a program."""
    text = cpu_baseline("--src-qemu", SOUND, "--dst-qemu", "system")
    document = json.loads(
        cpu_baseline("--src-qemu", SOUND, "--dst-qemu", "system", "--json").stdout
    )

    assert text.returncode == 0
    assert text.stdout.splitlines()[0] == f"-cpu {document['cpu']}"
    assert document["cpu"].endswith(",enforce")
    assert [one["host"] for one in document["sides"]] == ["local", "local"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--machine", "toaster"), "has no machine type toaster"),
        (("--src-qemu", "no-such"), "no QEMU build 'no-such'"),
        (("--machine", "microvm", "--libvirt", "--json"), "not allowed with argument"),
        (("--inventory", "/no/such.toml"), "/no/such.toml"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    """What is wrong is told in one line, with status 4."""
    done = cpu_baseline(*arguments)

    assert (done.returncode, done.stdout) == (4, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_both_make_the_same_of_it(build: QemuBuild, other: QemuBuild) -> None:
    """What was computed is what both builds make, to the last feature."""
    builds = build, other
    here, there = (asked(one, OLDER, "tcg") for one in builds)
    one = strongest(Pair(here, there, same_layout=True))

    assert settled(one, builds, OLDER, "tcg") == one
    for each in builds:
        expect_start(each, OLDER, "tcg", one.cpu)


def test_flag_that_needs_another_is_taken_away(build: QemuBuild) -> None:
    """A flag whose support was taken away is taken away as well, and not asked for."""
    here = asked(build, "q35", "tcg")
    one = strongest(Pair(here, here, same_layout=True)).without({"svm"})

    done = settled(one, (build, build), "q35", "tcg")

    assert "npt" in one.features
    assert "npt" not in done.features
    expect_start(build, "q35", "tcg", done.cpu)


def test_cpu_that_does_not_start_is_told(build: QemuBuild) -> None:
    """A CPU that a build cannot give is no proof: its own words are told."""
    with pytest.raises(UsageError, match=r"does not start with .* doesn't support requested"):
        expect_start(build, "q35", "tcg", "qemu64,+tsc-deadline,enforce")
