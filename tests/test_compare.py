# SPDX-License-Identifier: Apache-2.0
"""Two runs compared: verdicts first, timings with known distributions, bad input in one line."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.__main__ import main
from landfall.compare import statistics
from landfall.compare.comparison import Call, Comparison, compare
from landfall.compare.page import page
from landfall.compare.samples import name_of
from landfall.compare.statistics import ALPHA, Stratum, effect, floor, holm
from landfall.compare.told import as_text, interval
from landfall.report import results
from landfall.report.run import Run
from landfall.verdict import Blackout, Move, ScenarioResult, Verdict
from tests.command import BUILDS, command

NOISE = 0.15
"""A timing's standard deviation, as a part of it."""
SCENARIOS = 20
ALL = "everything"
NO_FOLDER = "a/results.json/page"


@pytest.fixture(autouse=True)
def fewer_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to tell five in a hundred, and hundreds of trials in seconds."""
    monkeypatch.setattr(statistics, "SHUFFLES", 399)
    monkeypatch.setattr(statistics, "RESAMPLES", 79)


def drawn(chance: random.Random, factor: float, rounds: int) -> list[Stratum]:
    """Return the strata of a comparison in which everything after is `factor` as long."""

    def values(scale: float) -> list[float]:
        return [scale * math.exp(chance.gauss(0, NOISE)) for _ in range(rounds)]

    scales = [math.exp(chance.gauss(-3, 1)) for _ in range(SCENARIOS)]
    return [Stratum(values(scale), values(factor * scale)) for scale in scales]


# -- the statistics -----------------------------------------------------------


def test_nothing_is_called_where_nothing_differs() -> None:
    """A against A, four timings at a time, three hundred times: as few false calls as said.

    Five in a hundred are allowed; eight would be, once in some hundred such tests.
    """
    chance = random.Random(1)
    called = 0
    for _ in range(300):
        ps = holm([effect(drawn(chance, 1.0, rounds=1)).p for _ in range(4)])
        called += min(ps) <= ALPHA

    assert called <= 0.08 * 300


def test_rounds_make_no_false_calls_either() -> None:
    """The same with three rounds of each scenario, a hundred times."""
    chance = random.Random(2)
    called = sum(effect(drawn(chance, 1.0, rounds=3)[:6]).p <= ALPHA for _ in range(100))

    assert called <= 10


@pytest.mark.parametrize("rounds", [1, 3])
def test_planted_slow_down_is_found(rounds: int) -> None:
    """What is a fifth slower is found as that, nearly always."""
    chance = random.Random(3)
    found = [effect(drawn(chance, 1.2, rounds)) for _ in range(40)]

    assert sum(one.p <= ALPHA for one in found) >= 36
    assert sum(one.low <= 1.2 <= one.high for one in found) >= 30
    assert all(1.05 < one.factor < 1.4 for one in found)
    assert all(one.superiority > 0.5 for one in found)


def test_effect_has_a_direction() -> None:
    """What is faster has a factor below one, and its values after lie below those before."""
    found = effect([Stratum([2.0, 2.1], [1.0, 1.1])] * 8)

    assert found.factor == pytest.approx(1.05 / 2.05, rel=0.01)
    assert found.superiority == 0.0


def test_few_scenarios_have_no_interval() -> None:
    """Three scenarios, resampled, would make an interval that is too narrow: none is told."""
    found = effect([Stratum([1.0, 1.1, 1.2], [1.3, 1.4, 1.5])] * 3)

    assert math.isnan(found.low)
    assert interval(found) == "too few scenarios for an interval"


def test_one_scenario_that_stalled_is_not_all() -> None:
    """A single scenario that took a thousand times as long moves the whole by little."""
    calm = [Stratum([1.0], [1.0])] * 19

    assert effect([*calm, Stratum([1.0], [1000.0])]).factor < 1.01


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5], [0.5]),
        ([], []),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
    ids=str,
)
def test_many_tests_are_put_right(ps: list[float], adjusted: list[float]) -> None:
    """Holm's own example, one alone, none, and never above one."""
    assert holm(ps) == pytest.approx(adjusted)


def test_noise_is_what_rounds_of_one_build_differ_by() -> None:
    """Rounds that take turns at being slow make a floor, equal ones and single ones none."""
    assert floor([Stratum([1.0, 2.0, 1.0, 2.0], [1.0, 1.0])]) == pytest.approx(2.0)
    assert floor([Stratum([1.0, 1.0], [1.0, 1.0])]) == 1.0
    assert floor([Stratum([1.0], [3.0])]) == 1.0


# -- a comparison -------------------------------------------------------------


def scenario(name: str, verdict: Verdict = Verdict.KEPT, slow: float = 1.0) -> ScenarioResult:
    """Return a scenario, everything of which took `slow` as long."""
    via = "tcp" if "tcp" in name else "unix"
    return ScenarioResult(
        f"suites/test_x.py::{name}",
        "p",
        "c",
        {"transport": via},
        verdict,
        "" if verdict is Verdict.KEPT else f"<b>{name}</b> is wrong",
        blackouts=(Blackout(0.02 * slow, 0.001), Blackout(math.nan, 0.0)),
        moves=(Move(via, 0.2 * slow, 1 << 20),),
    )


def a_run(*scenarios: ScenarioResult, name: str = "r") -> Run:
    """Return a run of these."""
    return Run(
        name, 0.0, 1.0, (), "smoke", "0.1", "3", "tcg", "", len(scenarios), 0, scenarios=scenarios
    )


def many(slow: float = 1.0, tcp: float = 1.0, seed: int = 0) -> Run:
    """Return a run of twenty scenarios, those over TCP `tcp` as slow as the others."""
    chance = random.Random(seed)
    names = [f"t{n}[{'tcp' if n % 2 else 'unix'}]" for n in range(20)]
    factors = [
        slow * (tcp if "tcp" in n else 1.0) * math.exp(chance.gauss(0, 0.03)) for n in names
    ]
    return a_run(*(scenario(n, slow=f) for n, f in zip(names, factors, strict=True)))


def called(found: Comparison) -> dict[tuple[str, str], str]:
    """Return what is said of each timing."""
    return {(timing.metric.name, timing.group): timing.call for timing in found.timings}


def test_verdicts_come_first() -> None:
    """Those that are worse before those that are better, each with the reason of the graver."""
    old = a_run(scenario("a"), scenario("b", Verdict.BROKEN), scenario("c"), scenario("gone"))
    new = a_run(scenario("a", Verdict.BROKEN), scenario("b"), scenario("c"), scenario("come"))

    found = compare([old], [new], took_turns=False)

    assert [(one.id[-1], one.is_worse) for one in found.changes] == [("a", True), ("b", False)]
    assert (found.only_before, found.only_after) == (
        ["suites/test_x.py::gone"],
        ["suites/test_x.py::come"],
    )
    text = "\n".join(as_text(found))
    assert text.startswith("Worse: 1 verdict worse, 1 better; 0 timings surely worse")
    assert text.index("kept -> broken") < text.index("broken -> kept") < text.index("Timings")


@pytest.mark.parametrize(
    ("slow", "expected"), [(1.3, Call.WORSE), (0.7, Call.BETTER), (1.0, Call.SAME)]
)
def test_change_of_a_timing_is_called(slow: float, expected: str) -> None:
    """Blackout, migration and throughput each have their own direction."""
    found = compare([many(seed=1)], [many(slow, seed=2)], took_turns=False)

    everything = {
        metric: call for (metric, group), call in called(found).items() if group[0] == "e"
    }
    assert everything == dict.fromkeys(("blackout", "migration", "throughput"), expected)
    assert found.is_worse is (expected == Call.WORSE)


def test_change_is_found_in_its_dimension() -> None:
    """What is slower over TCP alone is called there, and not over Unix sockets."""
    found = called(compare([many(seed=1)], [many(tcp=1.5, seed=2)], took_turns=False))

    assert found["blackout", "transport tcp"] == Call.WORSE
    assert found["blackout", "transport unix"] == Call.SAME


def test_change_below_the_noise_is_not_called() -> None:
    """A sure change that two runs which did not take turns may differ by is no call."""
    found = compare([many(seed=1)], [many(1.1, seed=1)], took_turns=False)

    assert {timing.call for timing in found.timings} == {Call.SAME}
    assert min(timing.p for timing in found.timings) <= ALPHA


def test_too_few_scenarios_are_told() -> None:
    """Of three scenarios nothing is called, and that is said."""
    runs = [a_run(*(scenario(n, slow=s) for n in "abc")) for s in (1.0, 5.0)]

    found = compare([runs[0]], [runs[1]], took_turns=False)

    assert found.timings == []
    assert "too few scenarios" in "\n".join(as_text(found))


def test_rounds_are_put_together() -> None:
    """Rounds of a scenario are one, with its gravest verdict, wherever its suites are."""
    rounds = [replace(scenario("a"), id=f"../lib/suites/test_x.py::a[round{n}]") for n in (1, 2)]
    worse = replace(rounds[1], verdict=Verdict.BROKEN, reason="r")

    found = compare([a_run(scenario("a"))], [a_run(rounds[0], worse)], took_turns=True)

    assert [(one.id, one.after) for one in found.changes] == [
        ("suites/test_x.py::a", Verdict.BROKEN)
    ]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("suites/test_x.py::a[round1-tcp]", "suites/test_x.py::a[tcp]"),
        ("/v/site-packages/landfall/suites/test_x.py::a[tcp-round3]", "suites/test_x.py::a[tcp]"),
        ("mine/test_x.py::a[round2]", "mine/test_x.py::a"),
        ("suites/test_x.py::a[around1]", "suites/test_x.py::a[around1]"),
    ],
)
def test_name_is_without_round_and_place(id_: str, name: str) -> None:
    """A scenario has one name, from a checkout and from a wheel."""
    assert name_of(id_) == name


def test_runs_that_are_not_alike_are_told() -> None:
    """Another profile, filter or kernel is named: what differs may not be the build."""
    old = replace(a_run(scenario("a")), hosts={"source": {"kernel": "6.1"}})
    new = replace(old, profile="full", through="cat", hosts={"source": {"kernel": "6.2"}})

    text = "\n".join(as_text(compare([old], [new], took_turns=False)))

    assert "not alike: profile: smoke, then full" in text
    assert "not alike: through: none, then cat" in text
    assert "not alike: the source's kernel: 6.1, then 6.2" in text


def test_page_escapes_what_a_run_says() -> None:
    """Nothing of a run is markup, and no address leaves the page."""
    old, new = a_run(scenario("a")), a_run(scenario("a", Verdict.BROKEN))

    text = page(compare([old], [new], took_turns=False))

    assert "&lt;b&gt;a&lt;/b&gt; is wrong" in text
    assert "<b>" not in text
    assert "http" not in text


# -- the command --------------------------------------------------------------


def kept_in(folder: Path, run: Run) -> str:
    """Write a run; return its folder."""
    folder.mkdir()
    results.write(run, folder)
    return str(folder)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return the exit status of `landfall compare`, what it said, and what it complained of."""
    status = main(["compare", *words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_status_tells_whether_it_is_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 where a verdict is worse, 0 the other way round; JSON and a page say the same."""
    old = kept_in(tmp_path / "a", a_run(scenario("a")))
    new = kept_in(tmp_path / "b", a_run(scenario("a", Verdict.BROKEN)))

    worse, text, _ = asked(capsys, old, new, "--json", "--html", str(tmp_path / "page.html"))

    assert (worse, json.loads(text)["worse"]) == (1, True)
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert asked(capsys, new, old)[0] == 0


def _other_schema(folder: Path) -> Sequence[str]:
    record = json.loads((folder / "a" / "results.json").read_text())
    (folder / "a" / "results.json").write_text(json.dumps({**record, "schema": 99}))
    return "a", "a"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a",), "name the results folders of two finished runs"),
        (("a", "nowhere"), "nowhere/results.json: No such file or directory"),
        (("a", "a", "--html", NO_FOLDER), f"--html {NO_FOLDER}: Not a directory"),
        (("a", "a", "--ab", "10.0", "11.1"), "compare --ab SRC1 SRC2"),
        (("a", "a", "--html", "a"), "--html a: Is a directory; name a file"),
        (("--ab", "10.0"), "expected 2 arguments"),
        (("--ab", "/bin/sh", "nowhere"), "no QEMU build 'nowhere'"),
        (_other_schema, "its schema is 99 and this Landfall reads 1"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: Sequence[str] | Callable[[Path], Sequence[str]],
    complaint: str,
) -> None:
    """What is no run, or of another schema, is told with its file; exit status 4."""
    monkeypatch.chdir(tmp_path)
    kept_in(tmp_path / "a", a_run(scenario("a")))
    given = words(tmp_path) if callable(words) else words

    status, _, said = asked(capsys, *given)

    assert status == 4
    assert complaint in said
    assert len(said.splitlines()) == 1


@pytest.mark.qemu
@pytest.mark.skipif(not {"10.0", "11.1"} <= set(BUILDS), reason="needs builds 10.0 and 11.1")
def test_two_builds_take_turns(tmp_path: Path) -> None:
    """Two builds are run in turns, what was measured of both is compared, and told as JSON."""
    scenarios = "suites/test_success.py::test_guest_continues_on_the_destination"
    where = str(Path(__file__).parents[1] / scenarios)
    words = ("--ab", "10.0", "11.1", "--rounds", "2", "--results", str(tmp_path / "ab"), "--json")

    with command("-m", "landfall", "compare", *words, "--", "--profile", "smoke", where) as run:
        ended = run.ended()

    assert ended.status in (0, 1), ended.errors
    told = json.loads(ended.output)
    assert (told["took_turns"], told["before"], told["after"]) == (
        True,
        ["a1", "a2"],
        ["b1", "b2"],
    )
    assert (told["changes"], told["only_before"], told["only_after"]) == ([], [], [])
    orders = [(path.name, json.loads((path / "results.json").read_text())["run"]["started"])
              for path in (tmp_path / "ab").iterdir()]  # fmt: skip
    assert [name for name, _ in sorted(orders, key=lambda one: one[1])] == ["a1", "b1", "b2", "a2"]
