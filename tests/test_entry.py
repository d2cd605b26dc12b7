# SPDX-License-Identifier: Apache-2.0
"""The shell entry lets through every command that there is, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from landfall.__main__ import COMMANDS

ENTRY = Path(__file__).parents[1] / "landfall"
USAGE = 4


def entered(*words: str, path: str = "/bin:/usr/bin") -> subprocess.CompletedProcess[str]:
    """Run the entry where nothing is set up, and nothing may be."""
    environment = {
        "LANDFALL_NO_INSTALL": "1",
        "LANDFALL_VENV": "/nowhere",
        "PATH": path,
    }
    return subprocess.run(
        [str(ENTRY), *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_let_through_and_told(command: str) -> None:
    """A command of the program is no stranger at the door, and --help names it."""
    ended = entered(command)

    assert ended.returncode == USAGE
    assert "no command" not in ended.stderr
    assert f"\n  {command} " in entered("--help").stdout


def test_command_that_is_none_is_refused_at_the_door() -> None:
    """What is no command is refused before anything is set up."""
    ended = entered("conquer")

    assert ended.returncode == USAGE
    assert ended.stderr == "landfall: no command 'conquer'; ./landfall --help lists them\n"


@pytest.mark.parametrize(("command", "is_told"), [("test", True), ("qualify", False)])
def test_what_only_the_tests_need_is_looked_for_by_them_alone(
    tmp_path: Path,
    command: str,
    is_told: bool,  # noqa: FBT001 - pytest hands values over by name
) -> None:
    """Who qualifies a QEMU is not told to install what the project's own tests need."""
    for name in ("sh", "readlink", "sha256sum", "id", "apt-get"):
        found = shutil.which(name) or "/bin/true"
        (tmp_path / name).symlink_to(found)

    ended = entered(command, path=str(tmp_path))

    assert ended.returncode == USAGE
    assert "missing:" in ended.stderr
    assert ("the tests that use it are skipped" in ended.stderr) is is_told
    assert (" npm" in ended.stderr) is is_told
