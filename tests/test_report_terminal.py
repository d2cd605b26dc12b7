# SPDX-License-Identifier: Apache-2.0
"""The summary on the terminal tells what was found to someone who does not know the code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landfall.report import results
from landfall.report.terminal import summary
from landfall.verdict import ScenarioResult, Verdict

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
FOLDER = Path("reports/now")
TEXT = "\n".join(summary(SAMPLE, FOLDER, colour=False, width=200))


def section(heading: str) -> str:
    """Return the part of the sample's summary under a heading."""
    return TEXT.partition(f"\n{heading}")[2].partition("\n\n")[0]


def only(scenario: ScenarioResult) -> str:
    """Return the summary of a run of one scenario."""
    run = replace(SAMPLE, scenarios=(scenario,), asked=1)
    return "\n".join(summary(run, FOLDER, colour=False, width=200))


def test_verdict_stands_first() -> None:
    """The first line is the run in one sentence."""
    assert TEXT.startswith(SAMPLE.verdict)


def test_end_says_where_the_report_is_and_what_the_status_means() -> None:
    """The last two lines are the way to the report and the exit status in words."""
    assert TEXT.splitlines()[-2:] == [
        "Report: reports/now/report.html",
        "Exit status 1: a promise was broken.",
    ]


def test_each_promise_has_a_line() -> None:
    """Each promise stands on one line with its counts, the gravest first."""
    assert section("Promises").splitlines()[1:] == [
        "  2 kept, 1 broken, 1 unable   "
        "Upon success the guest continues to run on the destination.",
        "  0 kept, 1 error, 1 noted     Upon failure the guest continues to run on the source.",
        "  0 kept, 1 known              The guest's TSC never runs backwards.",
    ]


def test_broken_scenario_is_told_with_its_evidence() -> None:
    """A broken scenario has its claim, its id, three observations and its evidence."""
    assert section("Broken (1)").splitlines()[1:] == [
        "  The guest continues on the destination as if nothing had happened.",
        "    suites/test_success.py::test_guest_continues_on_the_destination[exec]",
        "    memory: page 0x1a3f000 holds generation 41 on the destination; "
        "the guest last wrote 44",
        "    memory: page 0x1a3f000 differs between source and destination",
        "    memory: page 0x1a40000 differs between source and destination",
        "    more: 1 observation in the report",
        "    evidence: reports/now/evidence/3-[exec]",
    ]


def test_error_is_told_with_its_reason() -> None:
    """What the harness or a host failed at is told like a broken promise, under its own name."""
    told = section("Error (1)")

    assert "reason: HarnessError: ssh to host amd-2 ended with status 255" in told
    assert "evidence: reports/now/evidence/5-[tcp]" in told


def test_what_could_not_run_is_told_by_reason() -> None:
    """Reasons stand once each, with how many scenarios they concern."""
    assert section("Unable (1)").endswith("   1  the source's QEMU was built without gnutls")


def test_known_bugs_are_told_with_id_and_address() -> None:
    """A known bug that showed has its id and address; one not exercised is left out."""
    told = section("Known bugs")

    assert "tsc-lags: " in told
    assert "(1 scenario) https://gitlab.com/qemu-project/qemu/-/issues/1" in told
    assert "zlib-hangs" not in TEXT


def test_fixed_bugs_are_called_out() -> None:
    """A known bug that did not show where it used to is said to be fixed."""
    assert "rtc-stands: the RTC stands still in postmigrate" in section("FIXED")


def test_known_bug_outside_the_register_is_still_told() -> None:
    """A known verdict whose entry was not recorded is not passed over."""
    scenario = replace(SAMPLE.having(Verdict.KNOWN)[0], known="gone")

    assert "gone: 1 scenario; the run recorded no entry of that id" in only(scenario)


def test_median_times_are_told() -> None:
    """The medians of the stages and of the blackout are told."""
    assert (
        "Median times: total 1.00 s, scenario 500 ms, window 150 ms, memory check 100 ms, "
        "blackout 20.0 ms" in TEXT
    )


def test_hostile_text_does_not_reach_the_terminal() -> None:
    """Escape sequences and line breaks of a guest or a process are spelled out."""
    text = only(replace(SAMPLE.scenarios[4], reason="guest said \x1b[2J\x07\nExit status 0\udc80"))

    assert r"reason: guest said \x1b[2J\x07 Exit status 0\udc80" in text
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_words_are_wrapped(width: int) -> None:
    """No line is wider than the terminal, except where a single word is."""
    lines = summary(SAMPLE, FOLDER, colour=False, width=width)

    assert [line for line in lines if len(line) > width and " " in line.strip()] == []


def test_colour_adds_nothing_but_colour() -> None:
    """Without its colours the coloured summary is the plain one."""
    coloured = "\n".join(summary(SAMPLE, FOLDER, colour=True, width=200))

    plain = "".join(part.partition("m")[2] for part in f"m{coloured}".split("\x1b["))

    assert "\x1b[31;1m" in coloured
    assert "".join(plain.split()) == "".join(TEXT.split())


def test_empty_run_is_told() -> None:
    """A run without a single scenario still says what it was."""
    run = replace(SAMPLE, scenarios=(), register=(), asked=0, exit_status=5)

    assert summary(run, FOLDER, colour=False, width=80) == [
        "No promise was broken, but less ran than was asked for: 0 kept.",
        "",
        "Report: reports/now/report.html",
        "Exit status 5: no promise was broken, but less ran than was asked for.",
    ]
