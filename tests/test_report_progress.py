# SPDX-License-Identifier: Apache-2.0
"""Progress is one live line on a terminal and one plain line per scenario elsewhere."""

from __future__ import annotations

import io
from itertools import count
from pathlib import Path

import pytest

from landfall.report.progress import Progress
from landfall.verdict import Verdict

LONG = "suites/test_success.py::test_guest_continues_on_the_destination[tcp]"
OTHER = "suites/test_time.py::test_clocks_agree[unix]"
ERASE = "\r\x1b[K"


def live(total: int = 57, columns: int = 200, workers: int = 1) -> tuple[Progress, io.StringIO]:
    """Make progress on a terminal of so many columns, whose clock counts its readings."""
    stream, ticks = io.StringIO(), count()
    progress = Progress(
        stream,
        total,
        is_terminal=True,
        clock=lambda: float(next(ticks)),
        workers=workers,
        columns=lambda: columns,
    )
    return progress, stream


def shown(stream: io.StringIO) -> str:
    """Return what the terminal's line now holds."""
    return stream.getvalue().rpartition(ERASE)[2]


def test_line_says_how_far_what_runs_and_how_long() -> None:
    """The live line holds the count, the verdicts, what has run longest and the time left."""
    progress, stream = live(total=6)
    progress.started(LONG)
    progress.started(OTHER)
    progress.finished("a", Verdict.KEPT, 8.0)
    progress.finished("b", Verdict.BROKEN, 12.0)

    assert shown(stream) == f"[2/6] 1 kept 1 broken · {LONG} (+1) · about 40 s left"


def test_line_is_rewritten_in_place() -> None:
    """The live line never moves to a second one."""
    progress, stream = live()

    progress.started(LONG)
    progress.finished(LONG, Verdict.KEPT, 1.0)

    assert "\n" not in stream.getvalue()
    assert stream.getvalue().count(ERASE) == 2


def test_long_id_loses_its_function_first() -> None:
    """Where the terminal is narrow the file and the parameters stay, the function goes."""
    progress, stream = live(columns=60)

    progress.started(LONG)
    progress.started(OTHER)

    assert shown(stream) == "[ 0/57] · suites/test_success.py::…[tcp] (+1)"


@pytest.mark.parametrize("columns", range(1, 90, 4))
def test_line_fits_the_terminal(columns: int) -> None:
    """The live line leaves the last column free, however narrow the terminal is."""
    progress, stream = live(columns=columns)

    progress.started(LONG)
    progress.started(OTHER)
    progress.finished("c", Verdict.KEPT, 3.0)

    assert len(shown(stream)) < columns


@pytest.mark.parametrize(
    ("total", "workers", "seconds", "words"),
    [
        pytest.param(11, 1, 4.0, "about 40 s left", id="alone"),
        pytest.param(11, 4, 4.0, "about 10 s left", id="four at a time"),
        pytest.param(3, 8, 4.0, "about 4 s left", id="more workers than scenarios"),
        pytest.param(101, 1, 6.0, "about 10 min left", id="minutes"),
        pytest.param(1001, 1, 9.0, "about 2.5 h left", id="hours"),
        pytest.param(2, 1, 0.0, "about 1 s left", id="never none"),
    ],
)
def test_time_left_follows_the_mean(total: int, workers: int, seconds: float, words: str) -> None:
    """The time left is the mean so far, times what is left, by as many as work on it."""
    progress, stream = live(total=total, workers=workers)

    progress.finished("a", Verdict.KEPT, seconds)

    assert shown(stream).endswith(words)


def test_end_promises_no_more_time() -> None:
    """When all have finished nothing is said about time."""
    progress, stream = live(total=1)

    progress.finished("a", Verdict.KEPT, 1.0)

    assert shown(stream) == "[1/1] 1 kept"


def test_cleared_line_is_gone_until_something_happens() -> None:
    """Clearing takes the line away once; the next event draws it again."""
    progress, stream = live()
    progress.started(LONG)

    progress.clear()
    progress.clear()

    assert shown(stream) == ""
    assert stream.getvalue().count(ERASE) == 2
    progress.started(OTHER)
    assert shown(stream) != ""


def test_closed_progress_leaves_the_terminal_clean() -> None:
    """After its end no live line is left."""
    progress, stream = live()
    progress.started(LONG)

    progress.close()

    assert shown(stream) == ""


def test_each_scenario_has_a_line_where_there_is_no_terminal() -> None:
    """In a log there is one plain line per finished scenario and nothing else."""
    stream = io.StringIO()
    progress = Progress(stream, 57, is_terminal=False)

    progress.started("suites/test_success.py::test_x[tcp]")
    progress.finished("suites/test_success.py::test_x[tcp]", Verdict.KEPT, 1.02)
    progress.started("suites/test_time.py::test_y")
    progress.finished("suites/test_time.py::test_y", Verdict.BROKEN, 12.5)
    progress.clear()
    progress.close()

    assert stream.getvalue() == (
        "[ 1/57] kept    1.02s suites/test_success.py::test_x[tcp]\n"
        "[ 2/57] broken 12.50s suites/test_time.py::test_y\n"
    )


def test_plain_encoding_is_enough(tmp_path: Path) -> None:
    """A stream that can only say ASCII gets an ASCII line."""
    path = tmp_path / "terminal"

    with path.open("w", encoding="ascii") as stream:
        Progress(stream, 9, is_terminal=True, columns=lambda: 50).started(LONG)

    assert path.read_bytes().decode() == f"{ERASE}[0/9] | suites/test_success.py::...[tcp]"
