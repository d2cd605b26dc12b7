# SPDX-License-Identifier: Apache-2.0
"""The real Allure makes its report of two real runs: one that was kept, one that was broken."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema

from tests.command import Ended, qualify
from tests.npm import installed

pytestmark = [pytest.mark.qemu, pytest.mark.network]

ALLURE = "allure@3"
"""The package of the npm registry."""
FLIP = shlex.join([sys.executable, "-m", "landfall.mutants", "flip-byte"])
TWO = "continues_on_the_destination and test_success"
"""Selects one scenario by tcp and one by exec."""
PATIENCE = 300
ROOT = Path(__file__).parents[1]
ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "c0ffee",
    "GITHUB_RUN_NUMBER": "12",
    "GITHUB_WORKSPACE": "/",
}
"""What a job of GitHub Actions has in its environment."""


@dataclass(frozen=True)
class Made:
    """A run, and the report that Allure made of it."""

    ended: Ended
    results: Path

    def widget(self, name: str) -> Any:
        """Return what a part of the report shows."""
        return json.loads((self.report / "widgets" / f"{name}.json").read_text())

    @property
    def report(self) -> Path:
        """The folder that Allure wrote."""
        return self.results / "allure-report"

    @property
    def tests(self) -> list[Any]:
        """The pages of the scenarios."""
        pages = (self.report / "data" / "test-results").glob("*.json")
        return [json.loads(path.read_text()) for path in pages]


@pytest.fixture(scope="module")
def allure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Allure's command line, installed into a folder of its own."""
    return installed(ALLURE, tmp_path_factory.mktemp("npm")) / ".bin" / "allure"


@pytest.fixture(scope="module")
def runs(allure: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """The same scenarios kept, and then broken by a filter and on two workers."""
    together = tmp_path_factory.mktemp("runs")
    made = []
    for name, words in (("kept", ()), ("broken", ("--through", FLIP, "-n", "2"))):
        server = {**ACTIONS, "GITHUB_STEP_SUMMARY": str(together / f"{name}.md")}
        with qualify("-k", TWO, *words, **server) as under_way:
            ended = under_way.ended()
            assert ended.document is not None, ended.output + ended.errors
            shutil.move(under_way.results, together / name)
        subprocess.run(
            [allure, "generate", "allure"], cwd=together / name, check=True, timeout=PATIENCE
        )
        made.append(Made(ended, together / name))
    return made


@pytest.fixture(scope="module")
def kept(runs: list[Made]) -> Made:
    """The run in which every promise was kept."""
    return runs[0]


@pytest.fixture(scope="module")
def broken(runs: list[Made]) -> Made:
    """The run that came after it, and was broken."""
    return runs[1]


def test_report_counts_what_the_run_found(kept: Made, broken: Made) -> None:
    """Allure counts as many passed and failed as results.json has kept and broken."""
    assert (kept.ended.status, broken.ended.status) == (0, 1)
    assert kept.widget("statistic") == {"total": 2, "passed": 2, "new": 2}
    assert broken.widget("statistic") == {"total": 2, "failed": 2}


def test_broken_promises_are_a_category(broken: Made) -> None:
    """What broke is found under its category, and nowhere else."""
    nodes = broken.widget("categories")["nodes"].values()

    names = {each["name"]: each["statistic"] for each in nodes if each["type"] == "category"}
    assert names == {"Promise broken": {"total": 2, "failed": 2}}


def test_evidence_is_in_the_report(broken: Made) -> None:
    """Both command lines, the transcripts and what the filter said are there to be read."""
    links = [step["link"] for step in broken.tests[0]["steps"] if step["type"] == "attachment"]

    names = {link["name"] for link in links}
    assert {"source/command", "destination/command", "source/qmp.jsonl"} <= names
    assert {"source/serial", "destination/serial", "through.stderr"} <= names
    assert not [link for link in links if link["missed"]]
    assert all(
        (broken.report / "data" / "attachments" / f"{link['id']}{link['ext']}").exists()
        for link in links
    )


def test_steps_are_in_the_report(kept: Made) -> None:
    """Set-up, migration and judgement are steps, with the times that were taken."""
    top = {step["name"]: step for step in kept.tests[0]["steps"] if step["type"] == "step"}

    assert list(top) == ["set up", "the scenario itself", "judgement"]
    assert any("start source" in each["name"] for each in top["set up"]["steps"])
    (migrate, *_) = top["the scenario itself"]["steps"]
    assert migrate["name"].startswith("migrate source to destination by ")
    assert migrate["duration"] > 0


def test_history_goes_on_from_run_to_run(kept: Made, broken: Made) -> None:
    """Each scenario that is broken now has the run in which it was kept behind it."""
    histories = [
        json.loads(line)
        for line in (broken.results.parent / "allure-history.jsonl").read_text().splitlines()
    ]

    before, after = (
        {k: v["status"] for k, v in each["testResults"].items()} for each in histories
    )
    assert set(before) == set(after) == {each["historyId"] for each in kept.tests}
    assert set(before.values()) == {"passed"}
    assert set(after.values()) == {"failed"}
    assert {each["transition"] for each in broken.tests} == {"regressed"}


def test_environment_is_in_the_report(broken: Made) -> None:
    """The builds, the accelerator and the filter are where Allure shows the environment."""
    shown = {each["name"]: each["values"][0] for each in broken.widget("allure_environment")}

    builds = broken.ended.document["run"]["builds"]
    assert shown["QEMU, source"].startswith(builds["source"]["version"])
    assert shown["through"] == FLIP


def test_terminal_tells_each_failure_once(broken: Made) -> None:
    """What broke is told by the summary, and not by pytest as well."""
    output = broken.ended.output

    assert output.count("were written last") <= 2 * 3
    assert "= FAILURES =" not in output
    assert "through.stderr: mutate: flipped a byte" in output
    assert re.search(r"again: \./landfall repro '\S*suites/test_success\.py::", output)
    assert "2 failed" in output


def test_junit_of_a_run_on_two_workers_is_whole(broken: Made) -> None:
    """junit.xml of a run under -n fits the schema, and has the run's facts and each failure."""
    path = broken.results / "junit.xml"

    xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd")).validate(path)
    tests = ElementTree.parse(path).getroot().findall(".//testcase")
    assert [each.find("failure") is not None for each in tests] == [True, True]
    output = tests[0].findtext("system-out", "")
    assert {"verdict: broken"} <= set(output.splitlines())
    assert "blackout: " in output


def test_github_is_told_of_a_run_on_two_workers(kept: Made, broken: Made) -> None:
    """Each failure is annotated once at its line, and both runs added to their job's summary."""
    suite = (ROOT / "suites" / "test_success.py").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(suite) if "_continues_on_the_destination(" in text)
    errors = [each for each in broken.ended.output.splitlines() if each.startswith("::error ")]
    summaries = [made.results.with_suffix(".md").read_text() for made in (kept, broken)]

    assert len(errors) == 2
    assert all(f"suites/test_success.py,line={line},title=" in each for each in errors)
    assert "::error" not in kept.ended.output
    assert summaries[0].startswith("## Every promise was kept: 2 kept.")
    assert summaries[1].count("./landfall repro ") == 2
