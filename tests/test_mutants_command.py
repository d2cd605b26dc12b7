# SPDX-License-Identifier: Apache-2.0
"""`./landfall mutants` on real QEMU: caught, equivalent, and missed by blinded suites."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.qemu

ROOT = Path(__file__).parents[1]


def mutants(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, but for the set-up."""
    argv = [sys.executable, "-m", "landfall", "mutants", "--src-qemu", "10.0", *arguments]
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip


def fates(results: Path) -> dict[str, tuple[str, list[str]]]:
    """Return what became of each mutant, and by which promises."""
    told: dict[str, Any] = json.loads((results / "mutants.json").read_text())
    return {one["mutant"]: (one["fate"], one["promises"]) for one in told["mutants"]}


def test_score_of_a_handful(tmp_path: Path) -> None:
    """A damaged page, a lost section and two owners are caught; what nobody reads is equal."""
    wanted = "flip-byte,drop-pckbd,both-sides-resumed,described-falsely,leave-v86"
    done = mutants("--profile=smoke", f"--only={wanted}", f"--results={tmp_path / 'out'}")

    assert done.returncode == 0, done.stderr
    found = fates(tmp_path / "out")
    assert found["flip-byte"] == ("caught", ["memory"])
    assert found["drop-pckbd"] == ("caught", ["inventory"])
    assert found["both-sides-resumed"][0] == "caught"
    assert "ownership" in found["both-sides-resumed"][1]
    assert found["described-falsely"] == ("equivalent", [])
    assert found["leave-v86"] == ("not exercised", [])
    assert "3 of 3 mutants caught (100.0%); 1 equivalent, 1 not exercised" in done.stdout
    assert (tmp_path / "out" / "mutants.html").exists()


def test_blinded_suites_miss_what_they_would_have_caught(tmp_path: Path) -> None:
    """A register that no guest uses is missed where no states are compared: exit status 1."""
    out = tmp_path / "out"
    arguments = ("--profile=smoke", "--only=wide-register", f"--results={out}")
    done = mutants(*arguments, "-p", "tests.crippled")

    assert done.returncode == 1, done.stderr
    assert fates(out) == {"wide-register": ("missed", [])}
    assert "the states differ: cpu env.xmm_regs" in done.stdout


def test_unsound_suites_give_no_score(tmp_path: Path) -> None:
    """Where a scenario is broken without any mutant, it is named, and there is no score."""
    done = mutants(
        "--profile=smoke", "--only=flip-byte", f"--results={tmp_path / 'out'}",
        "-p", "tests.forgetful",
    )  # fmt: skip

    assert done.returncode == 3
    assert "that are not kept by themselves is worth nothing" in done.stderr
    assert "test_guest_continues_on_the_destination[mutant=none-tcp]: broken" in done.stderr
    assert not (tmp_path / "out" / "mutants.json").exists()


def test_proof_by_itself() -> None:
    """The proof is a command of its own: the same state, or what differs."""
    done = mutants("prove", "undescribed", "swap-pics")

    assert done.returncode == 1
    same, differs = done.stdout.splitlines()
    assert same == "undescribed: equivalent: loaded and saved again, the two states are the same"
    assert differs.startswith("swap-pics: not equivalent: the states differ: i8259")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only=nonsense",), "mutants: 'nonsense': there is none of the name"),
        (("--profile=full",), "--profile"),
        (("prove", "nonsense"), "mutants: 'nonsense': there is none of the name"),
        (("--src-qemu=/nowhere",), "/nowhere"),
        (("prove",), "mutants prove: name a mutant"),
        (("list", "more"), "unrecognized arguments: more"),
        (("nowhere",), "mutants: file or directory not found: nowhere"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """A mistake of the user's is one line and exit status 4."""
    done = mutants(*arguments, f"--results={tmp_path / 'out'}")

    assert done.returncode == 4
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_results_that_cannot_be_written_are_one_line() -> None:
    """So is a folder for the results that cannot be made."""
    done = mutants("--results=/etc/passwd/out")

    assert done.returncode == 4
    assert done.stderr.startswith("landfall: mutants --results /etc/passwd/out: Not a directory;")
    assert len(done.stderr.splitlines()) == 1
