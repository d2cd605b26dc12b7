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
    """A broken scenario has its claim, id, three observations, evidence, and what to do."""
    assert section("Broken (1)").splitlines()[1:] == [
        "  1 of 4   Upon success the guest continues to run on the destination.",
        "    The guest continues on the destination as if nothing had happened.",
        "      suites/test_success.py::test_guest_continues_on_the_destination[exec]",
        "      memory: page 0x1a3f000 holds generation 41 on the destination; "
        "the guest last wrote 44",
        "      memory: page 0x1a3f000 differs between source and destination",
        "      memory: page 0x1a40000 differs between source and destination",
        "      more: 1 observation in the report",
        "      evidence: reports/now/evidence/3-[exec]",
        "      again: ./landfall repro "
        "'suites/test_success.py::test_guest_continues_on_the_destination[exec]' "
        "--results reports/now",
    ]


def test_first_lines_of_what_qemu_said_are_told(tmp_path: Path) -> None:
    """Where QEMU complained, its first two lines stand with what broke."""
    scenario = SAMPLE.having(Verdict.BROKEN)[0]
    stderr = tmp_path / scenario.evidence / "destination" / "stderr"
    stderr.parent.mkdir(parents=True)
    stderr.write_text("\nqemu: Unknown section\x1b[2J\nsecond\nthird\n")

    told = summary(SAMPLE, tmp_path, colour=False, width=200)

    assert "      destination/stderr: qemu: Unknown section\\x1b[2J" in told
    assert "      destination/stderr: second" in told
    assert not [line for line in told if "third" in line]


def test_command_is_short_for_the_latest_run(tmp_path: Path) -> None:
    """The command to see a failure again names the folder only where that is not the latest."""
    folder = tmp_path / "now"
    folder.mkdir()
    (tmp_path / "latest").symlink_to("now")

    told = "\n".join(summary(SAMPLE, folder, colour=False, width=200))

    assert "again: ./landfall repro 'suites/" in told
    assert "--results" not in told


@pytest.mark.parametrize("verdict", list(Verdict))
def test_summary_is_bounded_however_much_breaks(verdict: Verdict) -> None:
    """Of 5,000 scenarios with whatever verdict few are told in full, and how many more."""
    one = SAMPLE.having(verdict)[0]
    many = [
        replace(one, id=f"suites/test_{n % 7}.py::test[{n}]", promise=f"P{n % 7}.", reason=f"R{n}")
        for n in range(5000)
    ]
    run = replace(SAMPLE, scenarios=tuple(many), asked=5000)

    lines = summary(run, FOLDER, colour=False, width=80)

    assert len(lines) < 260
    assert verdict in (Verdict.KEPT, Verdict.KNOWN) or any(
        line.strip().startswith("and ") for line in lines
    )


def test_every_promise_that_broke_is_named() -> None:
    """When more breaks than is told in full, each promise still says how many of it did."""
    one = SAMPLE.having(Verdict.BROKEN)[0]
    many = [replace(one, id=f"t[{n}]", promise=f"Promise {n % 9}.") for n in range(90)]
    run = replace(SAMPLE, scenarios=tuple(many), asked=90)

    text = "\n".join(summary(run, FOLDER, colour=False, width=80))

    assert [f"10 of 10   Promise {n}." in text for n in range(9)] == [True] * 9
    assert text.count("again: ") == 12


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
    """No line is wider than the terminal, except where a single word or a command is."""
    lines = summary(SAMPLE, FOLDER, colour=False, width=width)

    wide = [line for line in lines if len(line) > width and " " in line.strip()]
    assert [line for line in wide if not line.startswith("      again: ./landfall repro")] == []


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
