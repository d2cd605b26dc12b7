# SPDX-License-Identifier: Apache-2.0
"""However a command ends, nobody is shown a traceback for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from landfall.ending import ended

INTERRUPTED = 2
TELLING = [
    "inventory schema",
    "inventory example",
    "mutants list",
    "lab status",
    "doctor --help",
    "coverage --help",
    "save --help",
    "plan --help",
    "test --help",
    "--help",
]


@pytest.mark.parametrize("command", TELLING)
def test_pipe_that_nobody_reads_is_no_error(command: str) -> None:
    """`./landfall COMMAND | head -1` ends in silence, wherever the reader stops."""
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "landfall", *command.split()],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)

    assert done.stderr == ""
    assert done.returncode in (0, INTERRUPTED)  # argparse takes it for a success


def test_pipe_of_another_is_an_error() -> None:
    """Only our own output may break: what else does is told."""

    def command(_: Sequence[str]) -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        ended(command, [])


def test_interrupt_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Who presses ^C is told so, and no more."""

    def command(_: Sequence[str]) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    assert ended(command, []) == INTERRUPTED
    assert capsys.readouterr().err == "landfall: interrupted\n"
