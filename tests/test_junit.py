# SPDX-License-Identifier: Apache-2.0
"""junit.xml is what Jenkins validates and GitLab reads, with each verdict where it belongs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema

from landfall.report import junit, results
from landfall.report.naming import named
from landfall.report.run import Run
from landfall.verdict import Verdict

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
NOWHERE = Path("/nonexistent")
GITLAB_TAKES = 250_000
"""Elements, attributes and texts that GitLab reads of a document before it refuses it all
(gitlab-org/gitlab#507482)."""


def parsed(run: Run, folder: Path = NOWHERE) -> Element:
    """Write a run as JUnit's XML, have the schema look at it, and read it back."""
    text = junit.document(run, folder)
    SCHEMA.validate(text)
    return ElementTree.fromstring(text)


def case(run: Run, verdict: Verdict) -> Element:
    """Return the test case of the only scenario with a verdict."""
    scenario = run.having(verdict)[0]
    found = parsed(run).find(f".//testcase[@name='{named(scenario.id).test}']")
    assert found is not None
    return found


def test_document_is_valid_and_counts_what_it_holds() -> None:
    """The sample's document fits the schema, and its sums are those of its verdicts."""
    suite = parsed(SAMPLE).find("testsuite")

    assert suite is not None
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == [*"7113"]


@pytest.mark.parametrize(
    ("verdict", "element"),
    [
        (Verdict.BROKEN, "failure"),
        (Verdict.ERROR, "error"),
        (Verdict.UNABLE, "skipped"),
        (Verdict.KNOWN, "skipped"),
        (Verdict.NOTED, "skipped"),
    ],
)
def test_verdict_is_never_passed_over(verdict: Verdict, element: str) -> None:
    """What was not kept is a failure, an error, or skipped with the reason; never passed."""
    said = case(SAMPLE, verdict).find(element)

    assert said is not None
    assert said.get("type") == verdict
    assert SAMPLE.having(verdict)[0].reason in said.get("message", "")


def test_what_was_kept_is_passed() -> None:
    """A scenario that was kept has neither failure nor error nor skipped."""
    assert [each.tag for each in case(SAMPLE, Verdict.KEPT)] == ["system-out"]


def test_failure_says_what_was_seen_and_how_to_see_it_again() -> None:
    """A failure's text has the observations and the command that makes a script of it."""
    told = case(SAMPLE, Verdict.BROKEN).findtext("failure", "")

    assert "memory: page 0x1a3f000 differs between source and destination" in told
    assert "./landfall repro 'suites/test_success.py::" in told


def test_failure_shows_the_first_lines_of_what_qemu_said(tmp_path: Path) -> None:
    """Where QEMU complained, its first lines stand with the failure."""
    stderr = tmp_path / SAMPLE.having(Verdict.BROKEN)[0].evidence / "destination" / "stderr"
    stderr.parent.mkdir(parents=True)
    stderr.write_text("qemu: Unknown section\x1b[2J\nsecond\nthird\n")

    told = parsed(SAMPLE, tmp_path).findtext(".//failure", "")

    assert "destination/stderr: qemu: Unknown section\\x1b[2J\ndestination/stderr: second" in told
    assert "third" not in told


def test_scenario_is_known_by_its_output() -> None:
    """Promise, verdict, dimensions, blackout and evidence stand in a scenario's output."""
    output = case(SAMPLE, Verdict.BROKEN).findtext("system-out", "").splitlines()

    assert "promise: Upon success the guest continues to run on the destination." in output
    assert {"verdict: broken", "transport: exec", "blackout: 30.0 ± 1.0 ms"} <= set(output)
    assert "evidence: evidence/3-[exec]" in output


def test_run_is_known_by_its_properties() -> None:
    """The verdict, the builds, the hosts, the accelerator and the profile are properties."""
    of = {each.get("name"): each.get("value") for each in parsed(SAMPLE).iter("property")}

    assert of["verdict"] == SAMPLE.verdict
    assert of["QEMU, destination"] == "11.1.3"
    assert of["host, source: cpu"] == "AMD EPYC 7443P"
    assert of["accelerator"] == "tcg, because /dev/kvm is not here"
    assert of["profile"] == "default"


@pytest.mark.parametrize(("status", "asked"), [(2, 7), (5, 7), (1, 8)])
def test_run_that_fell_short_is_an_error_of_its_own(status: int, asked: int) -> None:
    """A run that was interrupted, or has less than was asked for, does not look whole."""
    whole = parsed(replace(SAMPLE, exit_status=status, asked=asked))

    assert whole.find(".//testcase[@name='the run']/error") is not None


def test_hostile_text_is_spelled_out() -> None:
    """What XML cannot hold is spelled out, wherever a guest or a process could have put it."""
    nasty = "</failure>\x00\x1b]0;x\x07\udc80\ufffe"
    first = replace(
        SAMPLE.having(Verdict.BROKEN)[0],
        reason=nasty,
        claim=nasty,
        promise=nasty,
        dimensions={nasty: nasty},
        durations={"total": math.nan},
    )

    whole = parsed(replace(SAMPLE, scenarios=(first,), asked=1, through=nasty))

    assert r"\x00\x1b]0;x\x07\udc80\ufffe" in whole.findtext(".//failure", "")


@pytest.mark.parametrize(
    "way",
    [
        "suites/",
        "../../venv/lib/python3.11/site-packages/landfall/suites/",
        "/usr/lib/python3/landfall/suites/",
    ],
)
def test_name_is_the_same_wherever_a_run_was_started(way: str) -> None:
    """A scenario is called the same in the checkout and from an installed wheel."""
    name = named(f"{way}test_a.py::TestB::test_c[tcp:/x::y.py]")

    assert (name.suite, name.test) == ("suites.test_a.TestB", "test_c[tcp:/x::y.py]")
    assert (name.function, name.parameters) == ("test_c", "tcp:/x::y.py")


def test_large_run_is_still_read_by_gitlab() -> None:
    """A document of 10,000 scenarios has fewer parts than GitLab refuses."""
    scenarios = [replace(SAMPLE.scenarios[n % 7], id=f"s.py::t[{n}]") for n in range(10_000)]

    parts = sum(
        1 + len(each.attrib) + bool(each.text)
        for each in ElementTree.fromstring(
            junit.document(replace(SAMPLE, scenarios=tuple(scenarios)), NOWHERE)
        ).iter()
    )

    assert parts < GITLAB_TAKES


def test_schema_sees_a_fault() -> None:
    """A test case with properties, which Jenkins throws away, does not fit the schema."""
    text = junit.document(SAMPLE, NOWHERE)

    assert not SCHEMA.is_valid(text.replace("<system-out>", "<properties/><system-out>", 1))
