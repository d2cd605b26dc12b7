# SPDX-License-Identifier: Apache-2.0
"""A matrix run is told as a grid with the gravest verdict of each pair, and the way it went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landfall.report import crossings, html, results, terminal
from landfall.report.run import Run
from landfall.verdict import ScenarioResult, Verdict

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
BUILDS = {
    name: {"name": name, "version": version, "path": name, "package": ""}
    for name, version in {"7.2": "7.2.22", "10.0": "10.0.2"}.items()
}


def scenario(crossing: str, verdict: Verdict) -> ScenarioResult:
    """Return a scenario of one pair."""
    return replace(
        SAMPLE.scenarios[0],
        id=f"suites/test_x.py::test_y[{crossing}]",
        dimensions={"crossing": crossing},
        verdict=verdict,
        reason="",
        observations=(),
        findings=(),
    )


@pytest.fixture
def matrix() -> Run:
    """A run of four pairs, on two machine types in one of them."""
    scenarios = (
        scenario("7.2-to-7.2-q35", Verdict.KEPT),
        scenario("7.2-to-10.0-q35", Verdict.KEPT),
        scenario("7.2-to-10.0-pc", Verdict.KNOWN),
        scenario("10.0-to-7.2-q35", Verdict.BROKEN),
        scenario("10.0-to-10.0-itself", Verdict.KEPT),
    )
    return replace(SAMPLE, builds=BUILDS, scenarios=scenarios, asked=5)


def test_each_pair_has_a_cell_with_its_direction(matrix: Run) -> None:
    """Old to new is what upstream promises; new to old is told apart from it."""
    found = crossings.cells(matrix)

    told = {pair: (cell.direction, cell.counts) for pair, cell in found.items()}
    assert told == {
        ("7.2", "7.2"): ("same", "1 kept"),
        ("7.2", "10.0"): ("old to new", "1 kept, 1 known"),
        ("10.0", "7.2"): ("new to old", "1 broken"),
        ("10.0", "10.0"): ("same", "1 kept"),
    }


def test_page_has_the_heat_map(matrix: Run, tmp_path: Path) -> None:
    """A cell has its gravest verdict's colour, and leads to the scenario that has it."""
    page = html.page(matrix, tmp_path)

    assert "From each build to each (4 ordered pairs)" in page
    assert '<td class="broken"><a href="#s4">1 broken</a><small>new to old</small></td>' in page
    assert '<td class="known"><a href="#s3">1 kept, 1 known</a>' in page


def test_terminal_has_the_grid(matrix: Run, tmp_path: Path) -> None:
    """The summary shows the same at a glance."""
    told = terminal.summary(matrix, tmp_path, colour=False, width=100)

    assert any(line.split() == ["from", "\\", "to", "7.2", "10.0"] for line in told)
    assert any(line.split() == ["10.0", "1", "broken", "1", "kept"] for line in told)


def test_other_runs_have_no_grid(tmp_path: Path) -> None:
    """A run between two builds is told as before."""
    assert not list(crossings.lines(SAMPLE))
    assert "ordered pairs" not in html.page(SAMPLE, tmp_path)
