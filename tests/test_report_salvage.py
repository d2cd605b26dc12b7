# SPDX-License-Identifier: Apache-2.0
"""Whatever is left of a run, there is a report of it, and it says what is missing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from landfall.clock import Bell
from landfall.errors import UsageError
from landfall.report import command, html, journal, results
from landfall.report.coding import decoded, encoded
from landfall.report.journal import Journal
from landfall.report.run import Run
from landfall.report.salvage import recovered
from landfall.verdict import Verdict
from tests.command import command as started
from tests.command import qualify

SAMPLE_FOLDER = Path(__file__).with_name("test_report_sample")
SAMPLE = results.read(SAMPLE_FOLDER)


def killed(folder: Path, done: int) -> Path:
    """Leave what a run leaves that is killed while the scenario after the first `done` runs."""
    lines = Journal(folder, results.SCHEMA_VERSION)
    bare = {**_encoded(SAMPLE), "scenarios": [], "exit_status": 2, "lacking": []}
    head = decoded(Run, bare, "run")
    for scenario in SAMPLE.scenarios[:done]:
        lines.began(scenario.id, lambda: head)
        lines.finished(scenario, SAMPLE.started + 7, lacking=scenario.id in SAMPLE.lacking)
    lines.began(SAMPLE.scenarios[done].id, lambda: head)
    return folder


def _encoded(run: Run) -> dict[str, Any]:
    record = encoded(run)
    assert isinstance(record, dict)
    return record


def changed(folder: Path, change: Any) -> Path:
    """Put the sample's results.json, changed, into a folder."""
    record = json.loads((SAMPLE_FOLDER / results.FILE_NAME).read_text())
    change(record)
    (folder / results.FILE_NAME).write_text(json.dumps(record))
    return folder


def said(folder: Path) -> str:
    """Make the report, and return what it says is missing."""
    assert command.main([str(folder)]) == 0
    page = (folder / html.FILE_NAME).read_text()
    return page.partition("What is missing here")[2].partition("</section>")[0]


def test_whole_run_is_told_as_it_was(tmp_path: Path) -> None:
    """A run that came to its end is read as ever, with nothing missing."""
    results.write(SAMPLE, tmp_path)

    assert recovered(tmp_path) == SAMPLE


def test_killed_run_is_interrupted(tmp_path: Path) -> None:
    """What a killed run had found is told, and which scenarios have no result."""
    run = recovered(killed(tmp_path, 2))

    assert run.scenarios == SAMPLE.scenarios[:2]
    assert run.verdict.startswith("Interrupted before every scenario had its verdict: ")
    assert run.unreached == 5
    assert run.finished == SAMPLE.started + 7
    assert run.builds == SAMPLE.builds
    assert run.missing == (
        "The run did not come to its end: 5 of 7 scenarios have no result; under way was "
        f"{SAMPLE.scenarios[2].id}",
    )


def test_killed_run_that_broke_a_promise_says_so(tmp_path: Path) -> None:
    """A promise that was seen broken is broken, whatever came of the run."""
    run = recovered(killed(tmp_path, 3))

    assert run.exit_status == 1
    assert run.having(Verdict.BROKEN) == (SAMPLE.scenarios[2],)


def test_killed_run_has_its_results_afterwards(tmp_path: Path) -> None:
    """The report of a killed run writes results.json as well, and the same twice."""
    assert "5 of 7 scenarios have no result" in said(killed(tmp_path, 2))
    first = results.read(tmp_path)

    assert "5 of 7 scenarios have no result" in said(tmp_path)
    assert results.read(tmp_path) == first
    assert first.scenarios == SAMPLE.scenarios[:2]


def test_line_that_was_cut_off_costs_one_result(tmp_path: Path) -> None:
    """The last line of a run that lost its power may be half a line, or zeros."""
    path = killed(tmp_path, 3) / journal.FILE_NAME
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text[:-2], text[-2][:100], "\0\0\0"]))

    run = recovered(tmp_path)

    assert run.scenarios == SAMPLE.scenarios[:2]
    assert "2 lines of results.jsonl cannot be read" in run.missing


def test_damaged_results_are_told_from_the_lines(tmp_path: Path) -> None:
    """A results.json that was cut off is left alone, and what each scenario found is told."""
    whole = (SAMPLE_FOLDER / results.FILE_NAME).read_text()
    killed(tmp_path, 4)
    (tmp_path / results.FILE_NAME).write_text(whole[:2000])

    assert "results.json is damaged: not JSON" in said(tmp_path)
    assert (tmp_path / results.FILE_NAME).read_text() == whole[:2000]
    assert len(recovered(tmp_path).scenarios) == 4


def test_another_schema_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Results of another version are told, what is not understood is counted, and both is said."""

    def change(record: Any) -> None:
        record["schema"] = 2
        del record["run"]["python_version"]
        record["run"]["scenarios"][0]["verdict"] = "splendid"
        del record["run"]["scenarios"][1]["claim"]
        record["run"]["scenarios"][2]["colour"] = "green"

    run = recovered(changed(tmp_path, change))

    assert len(run.scenarios) == len(SAMPLE.scenarios) - 1
    assert run.python_version == "not known"
    assert run.missing == (
        "results.json was not read as a whole: its schema is 2 and this Landfall reads 1; "
        "read it with the Landfall that wrote it",
        "What could not be read of it: python version, 1 scenario",
    )
    assert "its schema is 2" in said(tmp_path)


@pytest.mark.parametrize(
    "value", [None, [], {"id": 5}, {"scenarios": 7}, {"scenarios": [1, None]}]
)
def test_run_that_is_none_is_told_as_nothing(tmp_path: Path, value: object) -> None:
    """However little of a results.json is a run, there is a report."""

    def change(record: Any) -> None:
        record["run"] = value

    (tmp_path / "evidence" / "a").mkdir(parents=True)

    assert said(changed(tmp_path, change)) != ""


def test_evidence_alone_has_a_report(tmp_path: Path) -> None:
    """Folders of evidence without any result are shown, and convict nobody."""
    for name in ("test_a.one", "test_b.two"):
        (tmp_path / "evidence" / name).mkdir(parents=True)
        (tmp_path / "evidence" / name / "stderr").write_text("x")

    assert "No results can be read" in said(tmp_path)
    assert not (tmp_path / results.FILE_NAME).exists()
    assert {each.verdict for each in recovered(tmp_path).scenarios} == {Verdict.ERROR}


def test_evidence_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    """A scenario whose evidence was removed is named."""
    results.write(SAMPLE, tmp_path)

    assert "The evidence of 6 scenarios is gone" in said(tmp_path)


@pytest.mark.parametrize("words", [[], ["nowhere"], ["empty"], ["one", "two"]], ids=str)
def test_folder_without_a_run_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """A folder that no run wrote is refused in one line, and nothing is left in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError) as caught:
        command.main(words)

    assert len(str(caught.value).splitlines()) == 1
    assert list((tmp_path / "empty").iterdir()) == []


def test_report_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """A place where no file can be is told in one line."""
    results.write(SAMPLE, tmp_path)
    (tmp_path / html.FILE_NAME).mkdir()

    with pytest.raises(UsageError, match=r"cannot write .*report\.html") as caught:
        command.main([str(tmp_path)])

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.qemu
def test_run_that_is_killed_leaves_its_report() -> None:
    """SIGKILL in the midst: `landfall report` tells what was found and what was not."""
    with qualify("-k", "test_success or test_paused or test_time") as under_way:
        Bell().wait(
            lambda: _results(under_way.results) >= 2,
            within=60.0,
            what="two results",
            look_every=0.02,
        )
        under_way.strike(signal.SIGKILL)
        under_way.process.wait(10)
        with started("-m", "landfall", "report", str(under_way.results)) as reporting:
            ended = reporting.ended()
        document = json.loads((under_way.results / results.FILE_NAME).read_text())
        page = (under_way.results / html.FILE_NAME).read_text()

    assert ended.status == 0, ended.errors
    assert document["verdict"].startswith("Interrupted before every scenario had its verdict")
    assert len(document["run"]["scenarios"]) >= 2
    assert "missing: The run did not come to its end: " in ended.output
    assert "The run did not come to its end" in page


def _results(folder: Path) -> int:
    path = folder / journal.FILE_NAME
    return path.read_text().count('{"result"') if path.exists() else 0
