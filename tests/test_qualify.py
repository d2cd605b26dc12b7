# SPDX-License-Identifier: Apache-2.0
"""From the command line to the exit status: a qualifying run, as its user sees it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from landfall.report import results
from tests.command import BUILDS, SOUND, Ended, command, qualify

pytestmark = pytest.mark.qemu

SCHEMA = json.loads(Path(results.__file__).with_name("results.schema.json").read_text())
MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
ONE = "continues_on_the_destination and exec"
"""Selects one scenario of the profile smoke."""
STAYS = "closes_the_window and killed-device-state-tcp"
"""Selects one whose guest never arrives, in the profile default."""
PASSED_OVER_AGAIN = "passed_over_again and tcp"
"""Selects the one whose last RAM section is hardly ever empty."""
FILE_ALONE = "continues_from_a_file and not exec"
"""Selects one that needs `file:`."""
OLD = "7.2"
"""A build older than `file:` (QEMU 8.2)."""
PARALLEL = ("-n", "2")
CARELESS = """
class Lost:
    def __del__(self):
        raise RuntimeError("nobody hears this")

def pytest_runtest_call(item):
    Lost()
"""
"""A plug-in that loses an exception in each scenario, which pytest tells of afterwards."""


def run(*words: str, qemu: str = SOUND, **environment: str) -> Ended:
    """Run `landfall qualify` to its end."""
    with qualify(*words, qemu=qemu, **environment) as under_way:
        return under_way.ended()


def say(*words: str) -> str:
    """Run another command to its good end, and return what it says."""
    with command("-m", "landfall", *words) as under_way:
        ended = under_way.ended()
    assert ended.status == 0, ended.errors
    return ended.output


def broken_promises(ended: Ended) -> set[str]:
    """Return the names of the promises that a run found broken."""
    return {seen["promise"] for each in ended.scenarios for seen in each["observations"]}


def kept_findings(ended: Ended) -> list[Any]:
    """Return what the oracles say of the scenarios that were kept."""
    kept = [each for each in ended.scenarios if each["verdict"] == "kept"]
    return [finding for each in kept for finding in each["findings"]]


@pytest.fixture(scope="module")
def folder_and_run() -> Iterator[tuple[Path, Ended]]:
    """The profile smoke, run to its end, with its results still there."""
    with qualify() as under_way:
        yield under_way.results, under_way.ended()


@pytest.fixture(scope="module")
def folder(folder_and_run: tuple[Path, Ended]) -> Path:
    """The results of the profile smoke."""
    return folder_and_run[0]


@pytest.fixture(scope="module")
def smoke(folder_and_run: tuple[Path, Ended]) -> Ended:
    """The profile smoke, run to its end."""
    return folder_and_run[1]


# -- what a run leaves ------------------------------------------------------


def test_sound_qemu_keeps_every_promise(smoke: Ended) -> None:
    """The profile smoke is kept by a sound QEMU: exit status 0."""
    assert set(smoke.verdicts.values()) == {"kept"}
    assert smoke.status == smoke.document["run"]["exit_status"] == 0
    assert len(smoke.scenarios) == smoke.document["run"]["asked"] > 0


def test_results_are_as_the_schema_says(smoke: Ended) -> None:
    """results.json is what its schema says it is."""
    jsonschema.validate(smoke.document, SCHEMA)


def test_kept_is_earned(smoke: Ended) -> None:
    """Every oracle that calls a scenario kept tells what it counted, and it is never zero."""
    kept = [finding for finding in kept_findings(smoke) if finding["verdict"] == "kept"]

    judged = [each for each in kept if not each["reason"]]  # the others say why they did not
    idle = [each for each in judged if not each["earned"] or 0 in each["earned"].values()]

    assert judged
    assert idle == []


def test_evidence_is_where_the_results_say(folder: Path, smoke: Ended) -> None:
    """Each scenario's evidence is where results.json says: command lines, QMP and serial."""
    sides = [folder / each["evidence"] / "source" for each in smoke.scenarios]

    lost = [
        side / name
        for side in sides
        for name in ("command", "qmp.jsonl", "serial", "statements.jsonl", "stderr")
        if not (side / name).is_file()
    ]

    assert lost == []


def test_run_is_told_in_every_form(folder: Path, smoke: Ended) -> None:
    """The same scenarios stand in junit.xml, in allure/ and in report.html."""
    tests = ElementTree.parse(folder / "junit.xml").getroot().findall(".//testcase")
    allure = list((folder / "allure").glob("*-result.json"))
    page = (folder / "report.html").read_text()

    assert len(tests) == len(allure) == len(smoke.scenarios)
    assert [each["claim"] for each in smoke.scenarios if each["claim"] not in page] == []


# -- the same, divided ------------------------------------------------------


def test_parallel_run_finds_the_same(smoke: Ended) -> None:
    """Two workers find what one finds."""
    ended = run(*PARALLEL)

    assert ended.status == 0
    assert ended.verdicts == smoke.verdicts
    assert {each["worker"] for each in ended.scenarios} == {"gw0", "gw1"}


def test_shards_are_the_whole_and_share_nothing(smoke: Ended) -> None:
    """Two shards run every scenario once."""
    first, second = (run("--shard", shard) for shard in ("1/2", "2/2"))

    assert (first.status, second.status) == (0, 0)
    assert sorted([*first.verdicts, *second.verdicts]) == sorted(smoke.verdicts)


def test_last_failed_run_alone(tmp_path: Path) -> None:
    """`--lf` runs what failed before, and asks for no more."""
    cache = ("-o", f"cache_dir={tmp_path}")
    both = ("--profile", "default", "-k", f"({ONE}) or ({STAYS})")

    before = run(*both, *cache, "--through", f"{MUTATE} drop-timer")
    after = run(*both, *cache, "--lf")

    assert sorted(before.verdicts.values()) == ["broken", "kept"]
    assert list(after.verdicts.values()) == ["kept"]
    assert (after.status, after.document["run"]["asked"]) == (0, 1)


# -- a user's own filter ----------------------------------------------------


def test_harmless_filter_changes_no_verdict(smoke: Ended) -> None:
    """A filter that passes everything on breaks nothing, and is told in the results."""
    ended = run(*PARALLEL, "--through", "cat")

    assert ended.status == 0, ended.output
    assert ended.verdicts == smoke.verdicts
    assert ended.document["run"]["through"] == "cat"


@pytest.mark.parametrize(
    ("mutation", "chosen", "rounds", "promise"),
    [
        pytest.param("drop-timer", ONE, "1", "time", id="drop-timer"),
        pytest.param("flip-byte", ONE, "1", "memory", id="flip-byte"),
        pytest.param("zero-page", ONE, "1", "memory", id="zero-page"),
        pytest.param("drop-last-ram", PASSED_OVER_AGAIN, "3", "memory", id="drop-last-ram"),
    ],
)
def test_spoiled_stream_breaks_the_promise(
    mutation: str, chosen: str, rounds: str, promise: str
) -> None:
    """What a filter spoils is told by the promise that it breaks: exit status 1."""
    ended = run("-k", chosen, "--loop", rounds, "--through", f"{MUTATE} {mutation}")

    assert ended.status == 1, ended.output
    assert "kept" not in ended.verdicts.values()
    assert promise in broken_promises(ended)
    assert f"  {promise}: " in ended.output


def test_filter_that_fails_is_not_held_against_qemu() -> None:
    """A filter that fails is an error and its own: exit status 3."""
    ended = run("-k", ONE, "--through", "false")

    assert ended.status == 3
    assert list(ended.verdicts.values()) == ["error"]
    assert "--through 'false' ended with status 1" in ended.scenarios[0]["reason"]


# -- what every migration is told ------------------------------------------


def test_features_are_told_to_every_migration() -> None:
    """What is asked for by name is asked of QEMU, or told as what this scenario cannot have."""
    ended = run("-k", "continues_on_the_destination", "--features", "release-ram,multifd-4")
    reasons = {each["id"]: each["reason"] for each in ended.scenarios}

    assert ended.status == 0, ended.output
    assert ended.document["run"]["features"] == ["release-ram", "multifd-4"]
    assert {"kept", "unable"} == set(ended.verdicts.values())
    assert any("several connections, and exec" in why for why in reasons.values())


def test_features_in_which_a_phase_is_not_seen() -> None:
    """A fault that strikes at a place in the stream needs a stream that can be read."""
    ended = run("-k", STAYS, "--profile", "default", "--features", "tls")

    assert set(ended.verdicts.values()) == {"unable"}
    assert "nobody sees device-state in a stream that tls hides" in ended.output


def test_features_that_no_build_has_are_refused() -> None:
    """Bad input is one line, exit status 4, before anything is started."""
    ended = run("--features", "compress", qemu=SOUND)

    assert ended.status == 4
    assert "--features compress: QEMU" in ended.errors
    assert "has no capability compress" in ended.errors


# -- less than was asked for ------------------------------------------------


@pytest.mark.parametrize("question", ["--help", "--version", "--markers"])
def test_question_about_pytest_leaves_no_results(question: str) -> None:
    """Who only asks what there is gets no folder of results, and `latest` stays."""
    with qualify(question) as under_way:
        assert under_way.ended().status == 0
        assert not under_way.results.exists()


def test_nothing_selected_has_not_passed() -> None:
    """A run without a scenario has not passed: exit status 5."""
    ended = run("-k", "nothing_matches")

    assert ended.status == 5
    assert ended.scenarios == []


@pytest.mark.skipif(OLD not in BUILDS, reason=f"no QEMU {OLD}: ./landfall qemu fetch {OLD}")
def test_nothing_but_unable_has_not_passed() -> None:
    """A run whose scenarios are all unable has not passed: exit status 5, and the reason why."""
    ended = run("-k", FILE_ALONE, qemu=OLD)

    assert ended.status == 5
    assert list(ended.verdicts.values()) == ["unable"]
    assert "has no file: transport" in ended.scenarios[0]["reason"]


# -- told beforehand --------------------------------------------------------


def test_plan_names_what_would_run(smoke: Ended) -> None:
    """The plan, what pytest collects and what ran are the same scenarios, in this order."""
    chosen = ("--profile", "smoke", "--src-qemu", SOUND)

    plan = json.loads(say("plan", "--json", *chosen))
    collected = say("qualify", "--collect-only", "-q", *chosen).splitlines()

    assert [each["id"] for each in plan["scenarios"]] == list(smoke.verdicts)
    assert [line for line in collected if "::" in line] == list(smoke.verdicts)


def test_doctor_tells_what_to_do_about_what_does_not_work() -> None:
    """The doctor's JSON names each check, and what to do about each that does not work."""
    checks = json.loads(say("doctor", "--json"))["checks"]

    helpless = [each for each in checks if not each["works"] and not each["remedy"]]

    assert any(each["name"].startswith("QEMU") and each["works"] for each in checks)
    assert helpless == []


def test_what_pytest_finds_after_a_scenario_is_an_error_of_the_harness(tmp_path: Path) -> None:
    """A scenario that is kept, and in which an exception was lost, does not count as kept."""
    (tmp_path / "careless.py").write_text(CARELESS)

    ended = run("-k", ONE, "-p", "careless", PYTHONPATH=str(tmp_path))

    assert ended.status == 3, ended.output
    assert "error " in ended.output


def test_report_that_cannot_be_written_is_an_error_of_the_harness(tmp_path: Path) -> None:
    """What is in a report's way is named in one line, the others are written, and 3 is left."""
    (tmp_path / "allure").write_text("in the way")

    ended = run("-k", ONE, "--results", str(tmp_path))

    assert ended.status == 3
    assert f"ERROR: cannot write {tmp_path}/allure: " in ended.output
    assert "Traceback" not in ended.output + ended.errors
    assert {"results.json", "junit.xml", "report.html"} <= {p.name for p in tmp_path.iterdir()}
