# SPDX-License-Identifier: Apache-2.0
"""A run's Allure results say what happened, and are the same scenarios' in every run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import HarnessError
from landfall.report import results
from landfall.report.allure import attachments, writing
from landfall.report.allure.steps import STATUSES
from landfall.report.run import Run
from landfall.report.server import Server, server
from landfall.verdict import Act, Finding, Observation, ScenarioResult, Verdict

ROOT = Path(__file__).parents[1]
SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
BROKEN = SAMPLE.having(Verdict.BROKEN)[0]
BEGAN = 1_800_000_000.0
TOLD = replace(
    BROKEN,
    id="suites/test_success.py::test_guest_continues_on_the_destination[tcp]",
    started=BEGAN,
    durations={"setup": 0.5, "scenario": 1.0, "total": 2.0},
    acts=(
        Act("start source", BEGAN - 0.4, 0.1),
        Act("migrate source to destination by tcp: completed", BEGAN + 0.1, 0.8),
        Act("the guest testifies", BEGAN + 1.01, 0.1, "the guest fell silent"),
        Act("judge", BEGAN + 1.2, 0.1),
    ),
    findings=(
        Finding("memory", Verdict.BROKEN, "", (Observation("memory", "a page differs"),)),
        Finding("time", Verdict.KEPT, earned={"tsc_samples_after": 1234}),
        Finding("wire", Verdict.KEPT, "the machine has no network card"),
    ),
)
"""A scenario with all that can be told of one."""


def written(
    folder: Path, *scenarios: ScenarioResult, found: Server | None = None, **changes: object
) -> list[Any]:
    """Write a run's Allure results and return them, in the order of their names."""
    run: Run = replace(SAMPLE, **{"scenarios": scenarios, **changes})  # type: ignore[arg-type]
    into = writing.write(run, folder, ROOT, found)
    every = [json.loads(path.read_text()) for path in into.glob("*-result.json")]
    return sorted(every, key=lambda one: str(one["fullName"]))


def flat(steps: list[Any], depth: int = 0) -> list[tuple[int, str, str]]:
    """Return steps with how deep they are, and their status."""
    found = []
    for step in steps:
        found.append((depth, step["name"], step["status"]))
        found += flat(step.get("steps", []), depth + 1)
    return found


def label(result: Any, name: str) -> list[str]:
    """Return the values of a label."""
    return [each["value"] for each in result["labels"] if each["name"] == name]


def test_steps_are_what_happened_one_within_another(tmp_path: Path) -> None:
    """Acts lie in the part of the scenario that they happened in, oracles in the judgement."""
    (result,) = written(tmp_path, TOLD)

    assert flat(result["steps"]) == [
        (0, "set up", "passed"),
        (1, "start source", "passed"),
        (0, "the scenario itself", "passed"),
        (1, "migrate source to destination by tcp: completed", "passed"),
        (0, "judgement", "failed"),
        (1, "the guest testifies", "failed"),
        (1, "judge", "failed"),
        (2, "memory: broken", "failed"),
        (2, "time: kept", "passed"),
        (2, "wire: does not apply", "skipped"),
    ]


def test_steps_have_their_times(tmp_path: Path) -> None:
    """A step's times are milliseconds since the epoch, and the result begins with its set-up."""
    (result,) = written(tmp_path, TOLD)

    migrate = result["steps"][1]["steps"][0]
    assert (result["start"], result["stop"]) == (1_799_999_999_500, 1_800_000_001_500)
    assert (migrate["start"], migrate["stop"]) == (1_800_000_000_100, 1_800_000_000_900)


def test_oracle_shows_what_earned_its_verdict(tmp_path: Path) -> None:
    """An oracle's step has its counts as parameters, and what it saw."""
    (result,) = written(tmp_path, TOLD)

    memory, time, _ = result["steps"][2]["steps"][1]["steps"]
    assert memory["statusDetails"]["message"] == "a page differs"
    assert time["parameters"] == [{"name": "tsc samples after", "value": "1,234"}]


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.KEPT])
def test_verdict_has_its_status_reason_and_category(tmp_path: Path, verdict: Verdict) -> None:
    """What was not kept never looks passed, says why, and falls into exactly one category."""
    scenario = SAMPLE.having(verdict)[0]

    (result,) = written(tmp_path, scenario)

    categories = json.loads((tmp_path / "allure" / "categories.json").read_text())
    message = result["statusDetails"]["message"]
    fitting = [
        each["name"]
        for each in categories
        if result["status"] in each["matchedStatuses"] and re.match(each["messageRegex"], message)
    ]
    assert result["status"] == STATUSES[verdict] != "passed"
    assert scenario.reason in message
    assert len(fitting) == 1
    assert result["statusDetails"]["known"] is (verdict is Verdict.KNOWN)


@pytest.mark.parametrize(
    ("whose", "category"),
    [
        ("host", "Error of a host"),
        ("program", "Error of the --through command"),
        ("harness", "Error of the harness"),
        ("", "Error of the harness"),
    ],
)
def test_error_is_in_the_category_of_whose_fault_it_is(
    tmp_path: Path, whose: str, category: str
) -> None:
    """A host's error, the user's program's and the harness's are told apart."""
    scenario = replace(SAMPLE.having(Verdict.ERROR)[0], whose=whose)

    (result,) = written(tmp_path, scenario)

    matching = [
        name
        for name, beginning, _ in writing.CATEGORIES
        if re.match(beginning, result["statusDetails"]["message"])
    ]
    assert matching == [category]


def test_labels_say_promise_transport_builds_and_hosts(tmp_path: Path) -> None:
    """A result is found by its promise, its dimensions, both builds and both hosts."""
    (result,) = written(tmp_path, replace(TOLD, profile="smoke"))

    assert label(result, "feature") == label(result, "suite") == [TOLD.promise]
    assert label(result, "story") == [TOLD.claim]
    assert label(result, "transport") == ["exec"]
    assert label(result, "source-qemu") == ["10.0.2"]
    assert label(result, "destination-qemu") == ["11.1.3"]
    assert label(result, "source-host") == label(result, "host") == ["amd-1"]
    assert label(result, "framework") == ["pytest"]
    assert label(result, "severity") == ["blocker"]


def test_builds_of_a_matrix_are_those_of_the_crossing(tmp_path: Path) -> None:
    """In a matrix run each result has the builds that it went from and to."""
    crossing = replace(TOLD, dimensions={"crossing": "7.2-to-10.0-q35"})
    builds = {"7.2": {"version": "7.2.22"}, "10.0": {"version": "10.0.2"}}

    (result,) = written(tmp_path, crossing, builds=builds)

    assert label(result, "source-qemu") == ["7.2.22"]
    assert label(result, "destination-qemu") == ["10.0.2"]


def test_promise_is_told_in_all_its_words_and_linked(tmp_path: Path) -> None:
    """The description quotes the suite's docstring; on a server the source's line is linked."""
    found = server(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SHA": "c0ffee",
            "GITHUB_RUN_NUMBER": "12",
            "GITHUB_WORKSPACE": str(ROOT),
        }
    )

    (result,) = written(tmp_path, TOLD, found=found)

    executor = json.loads((tmp_path / "allure" / "executor.json").read_text())
    assert "KVM project's Migration page" in result["description"]
    assert result["links"][0]["url"].startswith(
        "https://github.example/o/r/blob/c0ffee/suites/test_success.py#L"
    )
    assert (executor["type"], executor["buildOrder"]) == ("github", 12)


def test_known_bug_is_linked(tmp_path: Path) -> None:
    """A known bug's page is an issue of the result."""
    (result,) = written(tmp_path, SAMPLE.having(Verdict.KNOWN)[0])

    assert [(each["type"], each["name"]) for each in result["links"]] == [("issue", "tsc-lags")]


def test_history_is_the_same_in_another_folder_and_run(tmp_path: Path) -> None:
    """A scenario's ids do not change with the run, the folder, the host, or how it is told."""
    wheel = f"../venv/site-packages/landfall/{TOLD.id}"
    other = replace(TOLD, id=wheel, verdict=Verdict.KEPT, dimensions={"transport": "<at 0x7f>"})

    (one,) = written(tmp_path / "a", TOLD)
    (two,) = written(tmp_path / "b", other, hosts={}, started=5.0)

    included = [[p for p in each["parameters"] if not p.get("excluded")] for each in (one, two)]
    assert included[0] == included[1] == [{"name": "id", "value": "tcp"}]
    assert [one[k] for k in ("historyId", "testCaseId", "fullName")] == [
        two[k] for k in ("historyId", "testCaseId", "fullName")
    ]
    assert one["uuid"] != two["uuid"]


def test_parameters_of_a_test_are_one_case_with_histories_of_their_own(tmp_path: Path) -> None:
    """Scenarios of one test share its case, and each has its own history."""
    other = replace(TOLD, id=TOLD.id.replace("[tcp]", "[unix]"))

    one, two = written(tmp_path, TOLD, other)

    assert one["testCaseId"] == two["testCaseId"]
    assert one["historyId"] != two["historyId"]


def evidence(folder: Path) -> Path:
    """Make the evidence folder of a scenario, with a file of each kind."""
    made = folder / TOLD.evidence
    (made / "source").mkdir(parents=True)
    (made / "source" / "command").write_text("qemu -m 32\n")
    (made / "source" / "stderr").touch()
    (made / "source" / "qmp.jsonl").write_text("{}\n")
    (made / "wire.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\0\0")
    (made / "blackout.svg").write_text("<svg/>")
    (made / "ram").write_bytes(b"\0" * 10)
    return made


def test_evidence_is_attached_by_its_kind(tmp_path: Path) -> None:
    """Command lines, transcripts, captures and plots are attached; empty files are not."""
    evidence(tmp_path)

    (result,) = written(tmp_path, TOLD)

    assert [(each["name"], each["type"]) for each in result["attachments"]] == [
        ("source/command", "text/plain"),
        ("source/qmp.jsonl", "text/plain"),
        ("blackout.svg", "image/svg+xml"),
        ("ram", "application/octet-stream"),
        ("wire.pcap", "application/vnd.tcpdump.pcap"),
    ]
    assert all((tmp_path / "allure" / each["source"]).exists() for each in result["attachments"])


def test_attachments_cost_no_space(tmp_path: Path) -> None:
    """Where the disk has links, an attachment is the evidence itself."""
    made = evidence(tmp_path)

    (result,) = written(tmp_path, TOLD)

    attached = tmp_path / "allure" / result["attachments"][0]["source"]
    assert attached.samefile(made / "source" / "command")


def test_what_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large to be moved about is not attached, and the description says so."""
    monkeypatch.setattr(attachments, "LARGEST", 9)
    evidence(tmp_path)

    (result,) = written(tmp_path, TOLD)

    names = [each["name"] for each in result["attachments"]]
    assert "ram" not in names
    assert (
        "Not attached, for they are too large or too many: `source/command`, `ram`"
        in (result["description"])
    )


def test_missing_evidence_is_no_hindrance(tmp_path: Path) -> None:
    """A scenario whose evidence was removed, or never was, is written without."""
    one, two = written(tmp_path, TOLD, replace(TOLD, id="a.py::t", evidence="", acts=()))

    assert "attachments" not in one
    assert "attachments" not in two


def test_environment_survives_a_reader_of_properties(tmp_path: Path) -> None:
    """Names and values are escaped as Java reads them: spaces, colons, anything beyond ASCII."""
    written(tmp_path, TOLD, through="tr ä 😀 = :")

    text = (tmp_path / "allure" / "environment.properties").read_text()

    assert "through=tr\\ \\u00e4\\ \\ud83d\\ude00\\ \\=\\ \\:\n" in text
    assert "QEMU,\\ destination=11.1.3\n" in text


def test_hostile_text_is_spelled_out(tmp_path: Path) -> None:
    """Control characters and broken Unicode of guests and programs do not reach the files."""
    nasty = "\x1b[2J\x00\udc80"
    scenario = replace(
        TOLD,
        reason=nasty,
        claim=nasty,
        promise=nasty,
        dimensions={nasty: nasty},
        acts=(Act(nasty, BEGAN, 0.1, nasty),),
        findings=(Finding(nasty, Verdict.BROKEN, nasty),),
        observations=(Observation(nasty, nasty),),
    )

    written(tmp_path, scenario)

    text = next((tmp_path / "allure").glob("*-result.json")).read_text(encoding="utf-8")
    assert "\\u001b" not in text
    assert "\\\\x1b[2J\\\\x00\\\\udc80" in text


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    """A folder that cannot be written is the harness's failure, and named."""
    (tmp_path / "allure").write_text("in the way")

    with pytest.raises(HarnessError, match=r"cannot write .*/allure: "):
        written(tmp_path, TOLD)
