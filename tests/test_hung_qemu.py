# SPDX-License-Identifier: Apache-2.0
"""A QEMU that hangs costs one deadline and one verdict; the next scenario is not touched."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.command import ROOT, SOUND, Ended, command

pytestmark = pytest.mark.qemu

DEADLINE = 10.0
"""Seconds that QEMU is given for an answer."""
BESIDES = 9.0
"""Seconds that a scenario may take besides, on a busy machine: less than another deadline."""
WHOLE_RUN = 60.0
"""Seconds."""
HANG = "{}.process.signal(signal.SIGSTOP)"
SUITE = '''
"""A QEMU that hangs is told from one that works."""

import signal

from landfall.migration import migrate, start_migration
from landfall.transport import TCP


def test_hangs(source, destination):
    """A guest is moved, and a QEMU hangs."""
    {before}
    assert migrate(source, to=destination, via=TCP).status == "completed"
    {after}


def test_next(source, destination):
    """The next guest is moved."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
'''
STRAY = '''
"""A process that is left behind is told from one that is not."""

import os
from pathlib import Path

from landfall.migration import migrate
from landfall.transport import TCP


def test_leaves(source, destination, stage):
    """A process is left behind."""
    stage.host.spawn(["sleep", "60"], cwd=source.folder, errors=Path(os.devnull))
    assert migrate(source, to=destination, via=TCP).status == "completed"


def test_next(source, destination):
    """No process is left behind."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
'''


@dataclass(frozen=True)
class Hang:
    """Where a QEMU is stopped in its tracks, and what it then leaves unanswered."""

    name: str
    unanswered: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return self.name


ASKED = f"{HANG.format('destination')}; assert destination.owns_the_guest"
SENDING = (
    "under_way = start_migration(source, to=destination, via=TCP, bandwidth=8 << 20); "
    "under_way.wait_until_sent(1 << 20); {}; under_way.outcome()"
)
HANGS = [
    Hang("source", "the source did not answer query-status", before=HANG.format("source")),
    Hang("before", "the destination did not answer", before=HANG.format("destination")),
    Hang(
        "sending",
        "the source did not answer",
        before=SENDING.format(HANG.format("source")),
    ),
    Hang(
        "loading",
        "the destination did not answer",
        before=SENDING.format(HANG.format("destination")),
    ),
    Hang("after", "the destination did not answer query-status", after=ASKED),
    Hang(
        "unasked", "the destination did not answer query-status", after=HANG.format("destination")
    ),
]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of somebody else's suites: each file has a worker, hangs, and goes on."""
    folder = tmp_path_factory.mktemp("suites")
    for hang in HANGS:
        text = SUITE.format(before=hang.before, after=hang.after)
        (folder / f"test_{hang}.py").write_text(text)
    (folder / "test_stray.py").write_text(STRAY)
    (folder / "pytest.ini").write_text(f"[pytest]\nlandfall_guests = {ROOT / 'guests'}\n")
    options = ("--src-qemu", SOUND, "--results=../results", "-o", "cache_dir=$FOLDER/cache")
    workers = ("-n", str(len(HANGS) + 1), "--dist=loadfile")
    place = ("-c", str(folder / "pytest.ini"), str(folder))
    with command("-m", "pytest", *place, *options, *workers) as run:
        ended = run.ended(WHOLE_RUN)
        assert run.left(5.0) == []
    return ended


@pytest.mark.parametrize("hang", HANGS, ids=str)
def test_hung_qemu_costs_one_deadline(foreign: Ended, hang: Hang) -> None:
    """A QEMU that hangs breaks its scenario, by one observation and within one deadline."""
    hung = foreign.scenario(f"test_{hang}.py::test_hangs")

    assert hung["verdict"] == "broken"
    assert hang.unanswered in hung["reason"]
    # That an attempt under way came to nothing is the same thing said again.
    said = [o["text"] for o in hung["observations"] if "never came to rest" not in o["text"]]
    assert len(said) == 1, said
    assert DEADLINE <= hung["durations"]["total"] < DEADLINE + BESIDES


@pytest.mark.parametrize("hang", HANGS, ids=str)
def test_scenario_after_a_hung_qemu_is_kept(foreign: Ended, hang: Hang) -> None:
    """The scenario that follows on a hung QEMU, on the same worker, is kept."""
    following = foreign.scenario(f"test_{hang}.py::test_next")
    hung = foreign.scenario(f"test_{hang}.py::test_hangs")

    assert following["verdict"] == "kept"
    assert following["worker"] == hung["worker"]


def test_stray_is_held_against_one_scenario(foreign: Ended) -> None:
    """A process that a scenario leaves behind is not held against the next one."""
    leaving = foreign.scenario("test_stray.py::test_leaves")
    following = foreign.scenario("test_stray.py::test_next")

    assert leaving["verdict"] == "broken"
    assert "outlived its QEMU: sleep 60" in leaving["reason"]
    assert following["verdict"] == "kept"
