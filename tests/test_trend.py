# SPDX-License-Identifier: Apache-2.0
"""Many runs: a point for each day, since when each scenario is broken, what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from landfall.__main__ import main
from landfall.report import results
from landfall.report.run import Run
from landfall.trend.series import series
from landfall.trend.told import fates
from landfall.verdict import Blackout, Move, ScenarioResult, Verdict

DAY = 86400.0
NAMES = {"k": Verdict.KEPT, "b": Verdict.BROKEN, "u": Verdict.UNABLE, "x": Verdict.KNOWN}


def scenario(name: str, verdict: Verdict, away: float = 0.02) -> ScenarioResult:
    """Return a scenario."""
    return ScenarioResult(
        f"suites/test_x.py::{name}", "p", "c", {}, verdict, "",
        blackouts=(Blackout(away, 0.0),), moves=(Move("tcp", 0.1, 1 << 20),),
    )  # fmt: skip


def a_run(day: int, verdict: str, build: str = "10.0", version: str = "10.0.2") -> Run:
    """Return a run of that day with a scenario `t` of this verdict, and some that are kept."""
    facts = {"name": build, "version": version, "path": "/q"}
    found = [scenario("t", NAMES[verdict]), *(scenario(n, Verdict.KEPT, 0.01) for n in "abc")]
    return Run(
        f"r{day}", DAY * day, DAY * day + 1, (), "smoke", "0.1", "3", "tcg", "", 4, 0,
        builds={"source": facts, "destination": facts}, scenarios=tuple(found),
    )  # fmt: skip


def told(verdicts: str) -> str:
    """Return what is said of a scenario with a verdict a day."""
    (one,) = series(a_run(day, verdict) for day, verdict in enumerate(verdicts, 1))
    return "\n".join(fates(one.fates))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ("kkb", "broken since 1970-01-04 (10.0.2); kept until 1970-01-03 (10.0.2)"),
        ("kbk", "comes and goes, fixed since 1970-01-04"),
        ("bbk", "fixed since 1970-01-04 (10.0.2); broken until 1970-01-03 (10.0.2)"),
        ("bbb", "broken since 1970-01-02 (10.0.2); broken in 3 of 3 runs"),
        ("kub", "broken since 1970-01-04 (10.0.2); kept until 1970-01-02 (10.0.2)"),
        ("bx", "fixed since 1970-01-03"),
        ("kbkb", "comes and goes, broken since 1970-01-05"),
    ],
)
def test_since_when_it_is_broken_is_told(verdicts: str, expected: str) -> None:
    """The first run in which it is as it is now, and the last in which it was not."""
    assert told(verdicts).startswith(expected)


def test_scenario_that_was_never_broken_is_not_told() -> None:
    """What was kept, known or unable is in the counts alone."""
    assert told("kux") == ""


def test_day_and_version_make_a_point() -> None:
    """Runs of a day and version are one point, with the counts and quartiles of all."""
    one, other = series(
        [
            a_run(2, "b"),
            a_run(1, "k"),
            a_run(1, "k"),
            a_run(1, "k", version="10.0.3"),
            a_run(1, "k", build="7.2"),
        ]
    )

    assert [one.name, other.name] == ["10.0, tcg", "7.2, tcg"]
    points = [(point.day, point.version, dict(point.counts)) for point in one.points]
    assert points == [
        ("1970-01-02", "10.0.2", {Verdict.KEPT: 8}),
        ("1970-01-02", "10.0.3", {Verdict.KEPT: 4}),
        ("1970-01-03", "10.0.2", {Verdict.KEPT: 3, Verdict.BROKEN: 1}),
    ]
    away = one.points[0].spreads["blackout"]
    assert (away.low, away.median, away.high, away.count) == (0.01, 0.01, 0.0125, 8)


# -- the command --------------------------------------------------------------


def kept_in(folder: Path, run: Run) -> Path:
    """Write a run."""
    folder.mkdir(parents=True)
    results.write(run, folder)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Return the exit status of `landfall trend`, what it said, and what it complained of."""
    status = main(["trend", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_folder_of_runs_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run once, `latest` or not; a killed one and one of another schema are named."""
    runs = tmp_path / "reports"
    kept_in(runs / "a", a_run(1, "k"))
    (runs / "latest").symlink_to(kept_in(runs / "b", a_run(2, "b")))
    (runs / "killed" / "evidence").mkdir(parents=True)
    kept_in(runs / "later", a_run(3, "k"))
    path = runs / "later" / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))

    status, text, _ = asked(capsys, runs, "--html", tmp_path / "page.html")

    assert status == 0
    assert text.startswith("2 runs in 1 series from 1970-01-02 to 1970-01-03: 1 scenario broken")
    assert "killed/results.json: No such file or directory" in text
    assert "its schema is 99" in text
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg ") == 4
    assert page.count("broken since 1970-01-03") == 1
    assert json.loads(asked(capsys, runs, "--json")[1])["series"][0]["scenarios"][0]["broken"]


def test_page_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is a page that is to be where a folder is."""
    kept_in(tmp_path / "run", a_run(1, "k"))

    status, _, said = asked(capsys, tmp_path, "--html", tmp_path)

    assert status == 4
    assert said == (
        f"landfall: --html {tmp_path}: Is a directory; name a file that can be written\n"
    )


def test_what_holds_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without runs, or what is none, is told in one line; exit status 4."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        status, _, said = asked(capsys, folder)

        assert status == 4
        assert str(folder) in said
        assert len(said.splitlines()) == 1
