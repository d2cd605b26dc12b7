# SPDX-License-Identifier: Apache-2.0
"""GitHub Actions is told what broke, where, and how to see it again, in a form that it takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.errors import HarnessError
from landfall.report import github, results
from landfall.report.server import Server, server
from landfall.verdict import Verdict

ROOT = Path(__file__).parents[1]
SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
NOWHERE = Path("/nonexistent")
ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "c0ffee",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_NUMBER": "12",
    "GITHUB_WORKSPACE": str(ROOT),
}
COMMAND = re.compile(r"::(error|warning) ((?:\w+=[^:,\r\n]*,?)+)::([^\r\n]*)")
"""A workflow command as the runner takes it apart."""


def found() -> Server:
    """GitHub Actions, with this checkout as its workspace."""
    one = server(ACTIONS)
    assert one is not None
    return one


def commands(**changes: object) -> list[tuple[str, dict[str, str], str]]:
    """Return the commands that the sample, changed so, makes: kind, properties, text."""
    told = []
    for line in github.commands(replace(SAMPLE, **changes), NOWHERE, ROOT, found()):  # type: ignore[arg-type]
        parts = COMMAND.fullmatch(line)
        assert parts, line
        given = dict(pair.split("=", 1) for pair in parts[2].split(","))
        told.append((parts[1], given, parts[3]))
    return told


def test_broken_scenario_is_an_error_at_its_line() -> None:
    """What broke is annotated where its test stands, with what was seen and the command."""
    scenario = replace(
        SAMPLE.having(Verdict.BROKEN)[0],
        id="suites/test_success.py::test_guest_continues_on_the_destination[tcp]",
    )

    ((kind, given, text),) = commands(scenarios=(scenario,), asked=1, register=())

    line = (ROOT / given["file"]).read_text().splitlines()[int(given["line"]) - 1]
    assert kind == "error"
    assert line.startswith("def test_guest_continues_on_the_destination(")
    assert "%0Amemory: page 0x1a3f000 differs" in text
    assert text.endswith("./landfall repro '" + scenario.id + "'")


def test_errors_and_bugs_that_are_fixed_are_warnings() -> None:
    """What the harness or a host failed at, and a known bug that is gone, are warnings."""
    warnings = [given["title"] for kind, given, _ in commands() if kind == "warning"]

    assert warnings == [
        "error%3A test_guest_survives_on_the_source[tcp]",
        "known bug fixed%3A rtc-stands",
    ]


def test_run_that_fell_short_is_an_error() -> None:
    """A run that was interrupted or lacks results is annotated, though no scenario broke."""
    kept = SAMPLE.having(Verdict.KEPT)[:1]

    told = commands(scenarios=kept, asked=2, exit_status=5, register=())

    assert [kind for kind, _, _ in told] == ["error"]
    assert "1 without a result" in told[0][2]


def test_more_than_github_shows_is_counted() -> None:
    """Of many broken scenarios nine are annotated, and the tenth says how many there are."""
    one = SAMPLE.having(Verdict.BROKEN)[0]
    many = tuple(replace(one, id=f"suites/test_success.py::t[{n}]") for n in range(40))

    errors = [given for kind, given, _ in commands(scenarios=many, asked=40) if kind == "error"]

    assert len(errors) == 10
    assert errors[-1]["title"] == "31 more scenarios"


def test_hostile_text_makes_no_command_of_its_own() -> None:
    """What a guest or an id says cannot end a command, forge a property or begin another."""
    nasty = "50%\r\n::set-output name=x::y\n::error::no,line=1:\x1b[2J"
    one = replace(
        SAMPLE.having(Verdict.ERROR)[0], id=f"suites/a.py::t[{nasty}]", reason=nasty, claim=nasty
    )

    ((_, given, text),) = commands(scenarios=(one,), asked=1, register=(), exit_status=3)

    assert set(given) == {"title", "file"}
    assert "50%25" in text
    assert "\x1b" not in text


def test_nothing_is_said_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of GitHub Actions nothing is printed and no summary is written."""
    path = tmp_path / "summary.md"

    github.tell(SAMPLE, NOWHERE, ROOT, {"GITHUB_STEP_SUMMARY": str(path)})

    assert capsys.readouterr().out == ""
    assert not path.exists()


def test_summary_is_added_to_the_jobs(tmp_path: Path) -> None:
    """The summary goes behind what other steps of the job have written."""
    path = tmp_path / "summary.md"
    path.write_text("before\n")

    github.tell(SAMPLE, NOWHERE, ROOT, {**ACTIONS, "GITHUB_STEP_SUMMARY": str(path)})

    text = path.read_text()
    assert text.startswith("before\n## 1 promise broken: memory;")
    assert "| Upon failure the guest continues to run on the source. |  |  | 1 |  | 1 |  |" in text
    assert "page 0x1a40000 differs between source and destination" in text
    assert "./landfall repro 'suites/test_success.py::" in text


def test_summary_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """A summary that is no file is the harness's failure, and says which."""
    with pytest.raises(HarnessError, match=r"cannot write .*: Is a directory"):
        github.tell(SAMPLE, NOWHERE, ROOT, {**ACTIONS, "GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_summary_is_never_too_large() -> None:
    """However much breaks, and however long what was seen is, it stays below 1 MiB."""
    one = SAMPLE.having(Verdict.BROKEN)[0]
    many = [
        replace(one, id=f"t[{n}]", promise=f"{n} " + "ö" * 3000, claim="c" * 9000)
        for n in range(3000)
    ]

    text = github.summary(replace(SAMPLE, scenarios=tuple(many), asked=3000), NOWHERE)

    assert 500_000 < len(text.encode()) < 1 << 20
    assert text.rstrip().endswith("see report.html.")


def test_hostile_text_is_no_markup() -> None:
    """What a guest says is neither Markdown nor HTML, and ends no table."""
    nasty = "<img src=x onerror=alert(1)> | `a` **b** [c](javascript:d)\n# e </code></pre>"
    one = replace(
        SAMPLE.having(Verdict.ERROR)[0], reason=nasty, claim=nasty, promise=nasty, observations=()
    )
    two = replace(SAMPLE.having(Verdict.UNABLE)[0], reason=nasty)

    text = github.summary(replace(SAMPLE, scenarios=(one, two), asked=2), NOWHERE)

    assert "<img" not in text
    assert text.count("</code></pre>") == 1
    assert "\n# e" not in text
    rows = [line for line in text.splitlines() if "onerror" in line and line.startswith("| ")]
    assert [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows] == [3, 2]


@pytest.mark.parametrize(
    ("environment", "name", "address"),
    [
        (ACTIONS, "GitHub Actions", "https://github.example/o/r/blob/c0ffee/suites/a.py#L4"),
        (
            {
                "GITLAB_CI": "true",
                "CI_PROJECT_URL": "https://gitlab.example/o/r",
                "CI_COMMIT_SHA": "c0ffee",
                "CI_PROJECT_DIR": str(ROOT),
            },
            "GitLab CI",
            "https://gitlab.example/o/r/-/blob/c0ffee/suites/a.py#L4",
        ),
        ({"JENKINS_URL": "https://j", "WORKSPACE": str(ROOT)}, "Jenkins", ""),
    ],
)
def test_server_knows_where_sources_are(
    environment: dict[str, str], name: str, address: str
) -> None:
    """Each server is known by its variables, and with it the address of a suite's line."""
    one = server(environment)

    assert one is not None
    assert one.name == name
    assert one.source(ROOT / "suites" / "a.py", 4) == address
    assert one.source(Path("/elsewhere/a.py"), 4) == ""


def test_own_machine_is_no_server() -> None:
    """Where no server's variables are, there is none."""
    assert server({"HOME": "/root", "GITHUB_ACTIONS": ""}) is None
