# SPDX-License-Identifier: Apache-2.0
"""`landfall inventory` prints what was asked for, or a line for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from landfall.__main__ import main
from landfall.inventory.command import EXAMPLE
from landfall.inventory.table import schema

USAGE = 4
REFUSED = [
    ("inventory", "the following arguments are required: action"),
    ("inventory fly", "invalid choice: 'fly'"),
    ("inventory check", "required: FILE"),
    ("inventory check /nowhere.toml", "/nowhere.toml: No such file or directory; give an inv"),
    ("inventory import vagrant x", "invalid choice: 'vagrant'"),
    ("inventory import tmt", "import tmt: give at least one FILE"),
    ("inventory import ansible /nowhere", "/nowhere: No such file"),
    ("inventory import ssh /nowhere", "/nowhere: No such file"),
]
ALONE = """\
import sys
import landfall.__main__
print([name for name in ("pydantic", "yaml", "paramiko") if name in sys.modules])
"""


def test_schema_and_example_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON for editors, the example the one that we test."""
    assert main(["inventory", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    assert main(["inventory", "example"]) == 0
    assert capsys.readouterr().out == EXAMPLE.read_text()


def test_sound_file_is_told_with_its_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    """A sound file is told in one line, with the hosts there are."""
    assert main(["inventory", "check", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out == f"{EXAMPLE}: sound; hosts: local, alpha, beta\n"


def test_each_mistake_has_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines begin with file and line, as editors take them."""
    path = tmp_path / "inventory.toml"
    path.write_text("x = 1\ny = 2\n")

    assert main(["inventory", "check", str(path)]) == USAGE

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [[f"{path}:1", "x"], [f"{path}:2", "y"]]


def test_host_is_shown_as_ssh_would_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the file and ~/.ssh/config say together is shown."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host a\n HostName 192.0.2.1\n Port 7\n")
    (tmp_path / "i.toml").write_text(
        'source = "a"\n[hosts.a]\nssh = "a"\nlabels = ["x", "y"]\nqemu.q = "/q"'
    )

    assert main(["inventory", "show", str(tmp_path / "i.toml")]) == 0

    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["source", "a"] in words
    assert ["hostname", "192.0.2.1"] in words
    assert ["port", "7"] in words
    assert ["agent", "true"] in words
    assert ["labels", "x,", "y"] in words
    assert ["qemu", "q:", "/q"] in words


def test_program_is_named_and_not_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever checks or shows a file does not make machines by it."""
    path = tmp_path / "inventory.toml"
    path.write_text('made_by = ["./lease", "2"]')

    assert main(["inventory", "check", str(path)]) == 0
    assert main(["inventory", "show", str(path)]) == 0

    out = capsys.readouterr().out
    assert "sound; hosts: made by ./lease\n" in out
    assert "./lease 2\n" in out


@pytest.mark.parametrize(("words", "told"), REFUSED)
def test_what_cannot_be_done_is_one_line(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that cannot be is refused in a line that says what to do."""
    assert main(words.split()) == USAGE

    line = capsys.readouterr().err
    assert told in line
    assert line.count("\n") == 1


def test_other_commands_do_not_pay_for_it() -> None:
    """What checks inventories is not imported before one is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
