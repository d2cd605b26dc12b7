# SPDX-License-Identifier: Apache-2.0
"""The library of mutants, and the score: each has a name and a meaning, and is reckoned once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import UsageError
from landfall.mutants import every, table
from landfall.mutants.library import FILTERS, HARMLESS
from landfall.mutants.mutant import NothingToMutate, Way, Whole
from landfall.mutants.score import Fate, Row, Score, reckoned, unsound
from landfall.mutants.trials import BASELINE, CONTROLS, NAMED, NONE, TRIALS, plain, trials
from landfall.stream import StreamError, parse
from tests.stream import made

ROOT = Path(__file__).parents[1]
LEAST = 60
WHOLES = [mutant for mutant in FILTERS if isinstance(mutant, Whole)]


def scenario(mutant: str, verdict: str, *observed: tuple[str, str]) -> Mapping[str, Any]:
    """Return a scenario as results.json has it."""
    return {
        "id": f"suites/test_x.py::test_y[{NAMED.format(mutant)}-tcp]",
        "dimensions": {"mutant": mutant},
        "verdict": verdict,
        "reason": "a reason",
        "observations": [{"promise": promise, "text": text} for promise, text in observed],
    }


def score(*scenarios: Mapping[str, Any], idle: bool = False) -> Row:
    """Return what is reckoned of one mutant."""
    mutants = [every.named("flip-byte")]
    (row,) = reckoned(mutants, scenarios, lambda _: not idle).rows
    return row


def test_there_are_many_and_each_says_what_it_is() -> None:
    """Every mutant has a name of its own, says what it does and what it stands for."""
    names = Counter(mutant.name for mutant in (*FILTERS, *HARMLESS))

    assert max(names.values()) == 1
    assert len(every.ALL) >= LEAST
    assert all(mutant.does and mutant.stands_for for mutant in every.ALL.values())
    assert {mutant.way for mutant in every.ALL.values()} == set(Way)


@pytest.mark.parametrize("whole", WHOLES, ids=lambda whole: whole.name)
def test_each_changes_a_stream_or_says_why_not(whole: Whole) -> None:
    """A mutant of a whole stream changes it, or there is nothing of the kind in it."""
    data = made.whole()
    try:
        pieces, said = whole.change(data)
    except NothingToMutate as nothing:
        pieces, said = (), str(nothing)

    assert said
    assert b"".join(bytes(piece) for piece in pieces) != data


def test_what_is_no_stream_is_refused_by_each() -> None:
    """A mutant of a whole stream takes nothing else."""
    for mutant in WHOLES:
        with pytest.raises(StreamError):
            mutant.change(b"anything")


def test_filter_passes_on_what_has_nothing_to_change() -> None:
    """With --or-cat a stream that has nothing to change comes out as it went in."""
    argv = [sys.executable, "-m", "landfall.mutants", "drop-hpet", "--or-cat"]

    done = subprocess.run(argv, input=made.whole(), capture_output=True, timeout=60, check=True)

    assert done.stdout == made.whole()
    assert done.stderr == b"mutate: nothing to change: there is no section hpet\n"


def test_caught_is_told_with_its_promise() -> None:
    """Of a mutant that was noticed it is told by which promises, where, and what was seen."""
    row = score(
        scenario("flip-byte", "kept"),
        scenario("flip-byte", "broken", ("scenario", "assert False"), ("memory", "a page is old")),
    )

    assert (row.fate, row.promises) == (Fate.CAUGHT, ("scenario", "memory"))
    assert (row.seen, row.scenario) == ("a page is old", "test_x.py::test_y[tcp]")
    assert len(row.tried) == 2


def test_missed_and_not_exercised_are_told_apart() -> None:
    """One that was at work and not noticed is missed; one that had nothing to change is not."""
    kept = scenario("flip-byte", "kept")

    assert score(kept).fate is Fate.MISSED
    assert score(kept, idle=True).fate is Fate.NOT_EXERCISED
    assert score(scenario("zero-page", "broken")).fate is Fate.NOT_EXERCISED
    assert score(scenario("flip-byte", "error")).seen == "error: a reason"


def test_score_counts_what_could_be_noticed() -> None:
    """Equivalent mutants, and those that were nowhere at work, count for nothing."""
    mutant = every.named("flip-byte")
    fates = [Fate.CAUGHT] * 19 + [Fate.MISSED, Fate.EQUIVALENT, Fate.NOT_EXERCISED]
    found = Score(tuple(Row(mutant, fate) for fate in fates))

    assert (found.share, found.is_enough) == (0.95, True)
    assert not Score(found.rows[1:]).is_enough
    assert not Score(()).is_enough
    assert "19 of 20 mutants caught (95.0%); 1 missed, 1 equivalent, 1 not" in table.summary(found)


def test_suite_that_fails_by_itself_is_seen() -> None:
    """Without any mutant, whatever is not kept or unable makes the score worthless."""
    sound = [scenario(NONE, verdict) for verdict in ("kept", "unable")]

    assert unsound(sound) == []
    assert unsound([*sound, scenario("flip-byte", "broken")]) == []
    assert len(unsound([scenario(NONE, v) for v in ("broken", "error", "noted", "known")])) == 4


def test_tables_show_every_mutant() -> None:
    """Text, Markdown, HTML and JSON have each mutant, with its fate."""
    rows = tuple(Row(m, Fate.MISSED, seen="a|b <c>") for m in every.ALL.values())
    found = Score(rows)
    told = json.loads(table.as_json(found, {"qemu": "10.0"}))

    assert [one["mutant"] for one in told["mutants"]] == list(every.ALL)
    assert told["counts"]["missed"] == len(rows)
    assert len(list(table.as_text(found))) == len(rows) + 2
    assert table.as_markdown(found, {}).count("\n| `") == len(rows)
    assert "a\\|b &lt;c>" in table.as_markdown(found, {})
    assert table.as_html(found, {}).count('<tr class="missed">') == len(rows)


def test_unknown_mutant_is_refused() -> None:
    """A name that is no mutant's is a usage error that says where the names are."""
    with pytest.raises(UsageError, match="'nonsense': there is none of the name"):
        every.chosen("flip-byte,nonsense")
    with pytest.raises(UsageError, match="'load-page': it changes what a Linux guest's"):
        every.chosen("load-page")
    assert every.chosen("all") == tuple(every.ALL)


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("test_x[mutant=a-b-tcp]", "test_x[tcp]"),
        ("test_x[tcp-mutant=a-b]", "test_x[tcp]"),
        ("test_x[tcp-mutant=a-b-quick]", "test_x[tcp-quick]"),
        ("test_x[mutant=a-b]", "test_x"),
    ],
)
def test_scenario_is_known_without_its_mutant(shown: str, name: str) -> None:
    """A scenario's name is the same with a mutant and without."""
    assert plain(shown, "a-b") == name


def test_every_trial_is_a_scenario_and_those_that_change_nothing_come_first() -> None:
    """Each trial names a scenario that exists; those in which nothing is changed come first."""
    names = "flip-byte,delay,xbzrle-lost,multifd-flip-byte,postcopy-flip-byte,not-started"
    tests = dict.fromkeys(f"suites/{trial.path}::{trial.test}" for trial in TRIALS)
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", f"--mutants={names}", *tests]

    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    items = [line for line in done.stdout.splitlines() if "::" in line]
    ways = [every.named(name).way for name in names.split(",")]
    crossed = sum(1 for trial in TRIALS for way in ways if way in trial.ways)
    plains = sum(1 + len({CONTROLS[w] for w in trial.ways if w in CONTROLS}) for trial in TRIALS)
    first, rest = items[:plains], items[plains:]
    assert len(rest) == crossed
    assert all(any(f"mutant={name}" in item for name in BASELINE) for item in first)
    assert not any(f"mutant={name}-" in item for item in rest for name in BASELINE)


def test_smoke_has_the_first_few() -> None:
    """The profile smoke has some trials, the default all of them."""
    assert 0 < len(trials("smoke")) < len(trials("default")) == len(TRIALS)


def test_mutated_streams_are_not_named_in_the_oracles() -> None:
    """No oracle, and nothing that makes the facts they judge, knows of mutants."""
    package = ROOT / "fixtures" / "landfall"
    judging = [
        *(package / "oracles").glob("*.py"),
        package / "judgement.py",
        package / "history.py",
    ]

    assert [path.name for path in judging if "mutant" in path.read_text()] == []


def test_description_of_a_stream_is_no_part_of_what_is_parsed() -> None:
    """A stream whose description was changed is understood all the same."""
    data = made.whole().replace(b'"page_size"', b'"page_sizE"')

    assert len(parse(data).sections) == len(parse(made.whole()).sections)
