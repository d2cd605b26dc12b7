# SPDX-License-Identifier: Apache-2.0
"""report.html in a real browser: drawn, filtered, driven by keys, printed, and fit for everybody.

Needs Chromium (packages.tsv). Where there is none the tests are skipped, but never in CI.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from landfall import timeline
from landfall.clock import Bell
from landfall.report import html, results
from landfall.verdict import ScenarioResult, Verdict
from tests.browser import Browser, Page, browser, found
from tests.test_timeline import moved

pytestmark = pytest.mark.skipif(
    not found() and "CI" not in os.environ,
    reason="no browser here: packages.tsv names chromium for this system, or none exists for it",
)
SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
BROKEN = SAMPLE.scenarios[2]
AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text()
GRAVE = ("serious", "critical")
SHOWN = 'document.querySelectorAll("tr.row").length'


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    """A browser that all tests share."""
    with browser() as one:
        yield one


def put(folder: Path, *scenarios: ScenarioResult, **changed: Any) -> str:
    """Write a report whose scenarios have timelines, and return its address."""
    run = replace(SAMPLE, scenarios=scenarios or SAMPLE.scenarios, **changed)
    for one in run.scenarios:
        if one.evidence:
            (folder / one.evidence).mkdir(parents=True, exist_ok=True)
            for name in ("command", "qmp.jsonl", "serial", "statements.jsonl", "stderr"):
                (folder / one.evidence / f"destination-2.{name}").touch()
            timeline.write(moved(), [(100.05, "cancelled, first-pass")], folder / one.evidence)
    return html.write(run, folder).as_uri()


@pytest.fixture
def page(window: Browser, tmp_path: Path) -> Page:
    """The sample's report, open and drawn."""
    return window.open(put(tmp_path)).ready()


def many(number: int) -> tuple[ScenarioResult, ...]:
    """So many scenarios, one of which is broken."""
    kept = SAMPLE.having(Verdict.KEPT)[0]
    made = [replace(kept, id=f"a::test[{n}]", evidence="") for n in range(number - 1)]
    return (*made, replace(BROKEN, evidence="evidence/broken"))


def test_page_is_drawn_and_nothing_is_complained_of(page: Page) -> None:
    """Nothing fails, nothing is forbidden; rows, heat map, timeline, distributions are there."""
    assert page.complaints == []
    assert page.run(SHOWN) == len(SAMPLE.scenarios)
    assert page.run('document.querySelectorAll("#heat td button").length') > 3
    assert page.run('document.querySelectorAll(".spread rect").length') > 0
    assert page.run(
        'document.querySelector("article .canvas svg").getAttribute("aria-label")'
    ) == (
        "Timeline; tcp completed after 200 ms; not heard for 60.0 ms; "
        "cancelled, first-pass at 50.0 ms"
    )


def test_timeline_has_both_sides_on_one_clock(page: Page) -> None:
    """A source that stops stands left of a destination that goes on; the blackout is between."""
    places = """(() => {
      const svg = document.querySelector("article .canvas svg");
      const at = (start) => [...svg.querySelectorAll("title")]
        .filter((title) => title.textContent.startsWith(start))[0]
        .parentNode.getBoundingClientRect();
      const dark = svg.querySelector(".dark").getBoundingClientRect();
      return [at("10 heartbeats").right, dark.left, at("STOP").left, at("RESUME").left, dark.right,
        at("2 heartbeats").left, at("announces itself").left].map(Math.round);
    })()"""

    where = page.run(places)

    assert where[0] == where[1]
    assert where[1] < where[2] < where[3] < where[4]
    assert abs(where[4] - where[5]) <= 1
    assert where[6] >= where[5]


def test_curves_tell_how_fast_it_went(window: Browser, tmp_path: Path) -> None:
    """Where query-migrate was asked over some time, what was sent is drawn in MB/s."""
    url = put(tmp_path, BROKEN)
    samples = tuple(
        {"total-time": n * 100, "ram": {"transferred": n * 2_000_000, "remaining": 5_000_000}}
        for n in range(1, 11)
    )
    (journey,) = moved().journeys
    slow = moved(journeys=(replace(journey, ended=101.1, samples=samples),))
    timeline.write(slow, [], tmp_path / BROKEN.evidence)
    html.write(replace(SAMPLE, scenarios=(BROKEN,)), tmp_path)

    page = window.open(url).ready()
    said = page.run("[...document.querySelectorAll('.curve')].map((c) => c.ariaLabel)")

    assert said == ["MB/s: sent, dirtied; at most 20.0", "MB that remain: remaining; at most 5.00"]


def test_cell_of_the_heat_map_filters(page: Page) -> None:
    """A click on a cell shows its scenarios alone; Escape shows all again."""
    page.run("document.querySelector('#heat td.broken button').click()")
    shown = page.run(SHOWN)
    said = page.run("document.querySelector('.cell').textContent")
    page.press("Escape")

    assert 0 < shown < len(SAMPLE.scenarios)
    assert said.startswith("✕ only: ")
    assert page.run(SHOWN) == len(SAMPLE.scenarios)


def test_any_dimension_can_be_chosen(page: Page) -> None:
    """The heat map has a column for each value of the dimension that is chosen."""
    names = page.run("[...document.querySelectorAll('#dimensions option')].map((o) => o.value)")
    script = """(() => { const select = document.querySelector('#dimensions select');
      select.value = %s; select.dispatchEvent(new Event('change'));
      return [...document.querySelectorAll('#heat thead th')].map((th) => th.textContent); })()"""

    columns = {name: page.run(script % json.dumps(name)) for name in names}

    assert "transport" in names
    assert columns["verdict"][:3] == ["Promise", "kept", "broken"]
    for name in names[1:]:
        values = {s.dimensions[name] for s in SAMPLE.scenarios if name in s.dimensions}
        assert values <= set(columns[name])


def test_crossing_is_a_pair_and_a_machine(window: Browser, tmp_path: Path) -> None:
    """The scenarios of a matrix are grouped by from which build to which, and by machine."""
    kept = SAMPLE.having(Verdict.KEPT)[0]
    crossings = ("7.2-to-10.0-q35", "7.2-to-10.0-pc", "10.0-to-7.2-pc", "10.0-to-10.0-itself")
    made = [replace(kept, id=name, dimensions={"crossing": name}) for name in crossings]

    page = window.open(put(tmp_path, *made)).ready()
    columns = page.run("[...document.querySelectorAll('#heat thead th')].map((t) => t.innerText)")
    names = page.run("grouping")

    assert columns == ["Promise", "7.2 to 10.0", "10.0 to 7.2", "10.0 to 10.0"]
    assert names == ["build_pair", "machine_type"]


def test_everything_is_done_by_keys(page: Page) -> None:
    """Slash searches, j and k go, Enter opens, n finds what was not kept, ? helps, Escape ends."""
    page.press("/")
    for letter in "exec":
        page.press(letter)
    searched = page.run(SHOWN)
    page.press("Enter")
    page.press("Enter")
    opened = page.run("document.querySelectorAll('tr.more .detail').length")
    page.press("Escape")
    closed = page.run("document.querySelectorAll('tr.more .detail').length")
    page.press("Escape")
    page.press("j")
    first = page.run("list.active")
    page.press("j")
    page.press("k")
    again = page.run("list.active")
    page.press("n")
    grave = page.run("list.shown[list.active].verdict")
    page.press("?")
    helps = page.run("document.querySelector('dialog').open")

    assert 0 < searched < len(SAMPLE.scenarios)
    assert (opened, closed) == (1, 0)
    assert first == again == 0
    assert grave != "kept"
    assert helps


def test_link_leads_to_its_scenario(window: Browser, tmp_path: Path) -> None:
    """An address with a scenario's mark opens it, far down the list as well."""
    scenarios = many(400)
    url = put(tmp_path, *scenarios, asked=400)

    page = window.open(f"{url}#s399").ready()

    assert page.run("list.shown[list.active].id") == scenarios[398].id
    assert page.run("document.querySelectorAll('tr.more .detail').length") == 1


def test_few_rows_are_made_of_many_scenarios(window: Browser, tmp_path: Path) -> None:
    """Of 3,000 scenarios as many rows are made as are looked at, and all are found."""
    page = window.open(put(tmp_path, *many(3000), asked=3000)).ready()
    made = page.run(SHOWN)
    page.run("controls.search.value = 'test[2345]'; takeControls()")

    assert made <= 100
    assert page.run("document.querySelector('#controls output').value") == "1 of 3000 shown"


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_is_fit_for_everybody(
    window: Browser,
    tmp_path: Path,
    width: int,
    dark: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Axe finds nothing serious, with a scenario open, in each width and scheme."""
    page = window.open(put(tmp_path, missing=("A part.",)), width, 900, dark=dark).ready()
    page.run("reveal(scenarios[2])")

    assert complaints_of_axe(page) == []


def test_axe_sees_what_is_not_fit(page: Page) -> None:
    """A button without a name and pale letters are seen: what finds nothing has looked."""
    page.run("document.querySelector('main').prepend(make('button', {}), make('p', {}, 'pale'))")
    page.run("document.querySelector('main > p').style.color = '#ddd'")

    assert {name for _, name, _ in complaints_of_axe(page)} == {"button-name", "color-contrast"}


def complaints_of_axe(page: Page) -> list[Any]:
    """Return what axe-core finds serious or critical: impact, rule, elements."""
    page.ask("Page.setBypassCSP", enabled=True)
    page.run(f"{AXE}; 1")
    violations = page.run(
        "axe.run().then((told) => told.violations.map((v) =>"
        " [v.impact, v.id, v.nodes.map((node) => node.html.slice(0, 120))]))"
    )
    return [each for each in violations if each[0] in GRAVE]


@pytest.mark.parametrize("width", [1280, 400])
def test_page_fits_its_window(window: Browser, tmp_path: Path, width: int) -> None:
    """Nothing sticks out to the right, with a scenario open and a long id."""
    scenario = replace(BROKEN, id="suites/test_a.py::test_" + "long" * 50, reason="x" * 300)
    page = window.open(put(tmp_path, scenario, *SAMPLE.scenarios[3:]), width).ready()
    page.run("reveal(scenarios[0])")

    assert page.run("document.documentElement.scrollWidth") <= width


def test_paper_has_what_matters(page: Page, tmp_path: Path) -> None:
    """Printed, every case is open with its timeline, and the controls are gone."""
    drawn = "document.querySelectorAll('article .canvas > svg:first-child').length"
    page.run(f"addEventListener('beforeprint', () => {{ window.printed = {drawn}; }}); 1")
    page.paper(tmp_path / "report.pdf")
    printed = page.run("window.printed")
    page.ask("Emulation.setEmulatedMedia", media="print")

    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    assert printed == len(SAMPLE.having(Verdict.BROKEN, Verdict.ERROR))
    assert page.run(drawn) < printed
    assert page.run("getComputedStyle(document.querySelector('#scenarios')).display") == "none"
    assert page.run("getComputedStyle(document.querySelector('.case')).display") != "none"


def test_page_without_script_has_what_matters(window: Browser, tmp_path: Path) -> None:
    """Where scripts are off the verdict, the promises and what broke can be read."""
    page = window.open(put(tmp_path), scripts=False)

    text = page.run("document.body.innerText")

    assert [o.text for o in BROKEN.observations[:3] if o.text not in text] == []
    assert "promises broken" in text or "promise broken" in text
    assert "Search" not in text


def test_hostile_texts_stay_texts(window: Browser, tmp_path: Path) -> None:
    """Whatever a guest said, nothing of it becomes an element, nor runs."""
    evil = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
    scenario = replace(
        BROKEN,
        id=evil,
        claim=evil,
        promise=evil,
        dimensions={evil: "a", "transport": evil},
        observations=(replace(BROKEN.observations[0], text=evil, promise=evil),),
    )

    page = window.open(put(tmp_path, scenario, SAMPLE.scenarios[0])).ready()
    page.run("reveal(scenarios[0])")

    assert page.complaints == []
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelectorAll('script').length") == 2
    assert page.run("document.querySelector('tr.row code').textContent") == evil


@pytest.mark.parametrize("left", ["nothing", "half a timeline"])
def test_missing_timeline_is_said_to_be(window: Browser, tmp_path: Path, left: str) -> None:
    """A scenario whose evidence is gone or damaged opens, and says that it has no timeline."""
    url = put(tmp_path)
    folder = tmp_path / BROKEN.evidence
    (folder / timeline.FILE_NAME).write_text("{")
    if left == "nothing":
        (folder / timeline.FILE_NAME).unlink()
    html.write(SAMPLE, tmp_path)

    page = window.open(url).ready()
    said = page.run("document.querySelector('article .detail .soft').textContent")

    assert page.complaints == []
    assert said.startswith("There is no timeline: its evidence ")


def test_nothing_of_a_browser_is_left() -> None:
    """A browser that was closed has ended with all its processes."""
    with browser() as one:
        one.open("about:blank")
        os.killpg(one.process.pid, 0)

    Bell().wait(lambda: not _lives(one.process.pid), within=10.0, what="its end", look_every=0.02)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
