# SPDX-License-Identifier: Apache-2.0
"""The table of what QEMU's own suite covers: no row is missing, and no scenario is made up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from landfall import coverage
from landfall.coverage import Row

ROOT = Path(__file__).parents[1]
ROWS = [row for family in coverage.families() for row in family.rows]
THEIRS = 83
"""Scenarios of QEMU 11.0's migration-test that some machine can run."""


@pytest.fixture(scope="module")
def scenarios() -> list[str]:
    """Collect every scenario there is."""
    return coverage.collected([str(ROOT / "suites")])


def test_no_row_is_missing() -> None:
    """Each of QEMU's scenarios has a row of its own, under its own name."""
    assert sorted(row.number for row in ROWS) == list(range(1, THEIRS + 1))
    assert len({row.name for row in ROWS}) == THEIRS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.strip("/"))
def test_row_names_scenarios_there_are(row: Row, scenarios: list[str]) -> None:
    """Every pattern of a row means some scenario; a row without any says why."""
    assert row.patterns or row.left_out
    for pattern in row.patterns:
        assert coverage.matching(pattern, scenarios), pattern


def test_document_is_what_the_command_makes() -> None:
    """docs/coverage.md is up to date: ./landfall coverage > docs/coverage.md."""
    done = subprocess.run(
        [sys.executable, "-m", "landfall", "coverage"], capture_output=True, text=True, check=True
    )

    assert done.stdout == (ROOT / "docs" / "coverage.md").read_text()


def test_pattern_takes_brackets_for_letters() -> None:
    """A scenario's parameters are named as pytest names them."""
    ids = ["suites/test_a.py::test_x[tcp-a]", "suites/test_a.py::test_x[tcp-b]"]

    assert coverage.matching("test_a.py::test_x[tcp-b]", ids) == ids[1:]
    assert coverage.matching("test_a.py::*[tcp-*", ids) == ids
    assert coverage.matching("test_b.py::*", ids) == []
