# SPDX-License-Identifier: Apache-2.0
"""report.html is one file that shows everything, needs nothing and trusts nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from landfall.report import html, results
from landfall.report.markup import Markup, element
from landfall.report.run import Run
from landfall.report.sentence import sentence
from landfall.report.words import plain, seconds
from landfall.verdict import Blackout, Observation, ScenarioResult

SAMPLE = results.read(Path(__file__).with_name("test_report_sample"))
BROKEN = SAMPLE.scenarios[2]
HOSTILE = "<script>alert('x')</script>\"&\x00\x1b[2J"


class Page(HTMLParser):
    """The elements of a page, their attributes and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.open += [] if tag in {"meta", "input"} else [tag]

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text of the page, one space between words."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[Mapping[str, str]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def written(folder: Path, *scenarios: ScenarioResult) -> str:
    """Write and return the report of the sample's run, perhaps with other scenarios."""
    run = replace(SAMPLE, scenarios=scenarios or SAMPLE.scenarios)
    return html.write(run, folder).read_text(encoding="utf-8")


def data_of(text: str) -> Any:
    """Return the JSON that the page's script reads."""
    start = '<script type="application/json" id="data">'
    return json.loads(text.partition(start)[2].partition("</script>")[0])


def told_of(text: str, number: int = 0) -> str:
    """Return all that the page's data says of a scenario, as words."""
    data = data_of(text)
    return " ".join(_words(data["scenarios"][number], data["words"]))


def _words(told: Any, words: list[Any]) -> Iterator[str]:
    """Yield every text, and the word of every number that has one."""
    if isinstance(told, list):
        for each in told:
            yield from _words(each, words)
    elif isinstance(told, str):
        yield told
    elif isinstance(told, int) and not isinstance(told, bool) and 0 <= told < len(words):
        word = words[told]
        yield word if isinstance(word, str) else " ".join(_words(word, words))


def test_page_is_well_formed(tmp_path: Path) -> None:
    """Every element is closed, in order."""
    page = Page(written(tmp_path))

    assert page.open == []


def test_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    """Nothing is loaded: no address in the page is of the web, known bugs' apart."""
    text = written(tmp_path)
    page = Page(text)

    addresses = [each["href"] for each in page.all("a")]
    loaded = {"img", "link", "iframe", "object", "base", "audio", "video", "image", "use"}

    assert {url for url in addresses if ":" in url} == {
        "https://gitlab.com/qemu-project/qemu/-/issues/1",
        "https://gitlab.com/qemu-project/qemu/-/issues/2",
    }
    assert loaded.isdisjoint(name for name, _ in page.elements)
    assert [each for _, each in page.elements if "src" in each] == []
    assert re.findall(r"url\(|@import|fetch\(|XMLHttp|innerHTML", text) == []


def test_policy_lets_only_our_own_script_run(tmp_path: Path) -> None:
    """The page forbids every script and every style but its own, which it names by hash."""
    text = written(tmp_path)
    script, style = (
        text.partition(f"<{name}>")[2].partition(f"</{name}>")[0] for name in ("script", "style")
    )

    digests = [
        base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        for each in (style, script)
    ]

    assert "default-src 'none'; base-uri 'none'; form-action 'none'; style-src" in text
    assert f"style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'\"" in text
    assert " style=" not in text.partition("<body>")[2].partition("<script")[0]


def hostile_run() -> Run:
    """Return a run in which everything that can be said is hostile."""
    scenario = replace(
        BROKEN,
        id=HOSTILE,
        promise=HOSTILE,
        claim=HOSTILE,
        known=HOSTILE,
        evidence=HOSTILE,
        reason=f"because {HOSTILE}",
        dimensions={HOSTILE: HOSTILE},
        observations=(Observation(HOSTILE, HOSTILE, HOSTILE),),
    )
    facts = {HOSTILE: {HOSTILE: HOSTILE}}
    return replace(
        SAMPLE,
        id=HOSTILE,
        profile=HOSTILE,
        through=HOSTILE,
        features=(HOSTILE,),
        accel_reason=HOSTILE,
        command_line=(HOSTILE,),
        hosts=facts,
        builds=facts,
        register=(replace(SAMPLE.register[0], id=HOSTILE, title=HOSTILE, url=HOSTILE),),
        scenarios=(scenario,),
    )


def test_nothing_that_was_said_becomes_markup(tmp_path: Path) -> None:
    """Whatever a guest, a file or a user said is shown as text, in every place."""
    text = html.page(hostile_run(), tmp_path)

    assert text.count("<script") == 2
    assert text.count("</script") == 2
    assert "<script>alert" not in text
    assert data_of(text)["scenarios"][0][0] == plain(HOSTILE)
    assert "\x00" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//host", ""])
def test_only_web_addresses_become_links(tmp_path: Path, url: str) -> None:
    """A register's address that is not of the web is no link."""
    run = replace(SAMPLE, register=(replace(SAMPLE.register[0], url=url),))

    page = Page(html.page(run, tmp_path))

    assert url not in {each["href"] for each in page.all("a")}
    assert "the TSC of secondary vCPUs lags after arrival" in page.text


def test_top_says_what_and_where(tmp_path: Path) -> None:
    """The top holds the verdict, the counts and the facts of run, builds and hosts."""
    top = Page(written(tmp_path)).text

    facts = [
        sentence(SAMPLE),
        "Exit status 1: a promise was broken.",
        "1 broken",
        "tcg (/dev/kvm is not here)",
        "pv -q",
        "pytest -n 2 -k 'tcp or unix'",
        "QEMU version 11.1.3",
        "Host cpu AMD EPYC 7443P",
        "7 scenarios, 2 jobs at a time",
        "Landfall 0.1.0, Python 3.11.7",
        "2025-11-23 00:00:00 UTC, took 12.50 s",
    ]
    assert [fact for fact in facts if fact not in top] == []


def test_data_says_everything(tmp_path: Path) -> None:
    """The data of a scenario has its claim, id, dimensions, what was seen, and the counts."""
    told = told_of(written(tmp_path, BROKEN))

    parts = [
        BROKEN.claim,
        BROKEN.id,
        "transport exec",
        *(each.text for each in BROKEN.observations),
        "heartbeats_after",
        "does not apply: this machine has no network card",
    ]
    assert [part for part in parts if part not in told] == []
    data = data_of(written(tmp_path, BROKEN))
    assert dict(zip(data["stages"], data["scenarios"][0][9], strict=True))["total"] == 1000.0
    assert data["scenarios"][0][10] == [[30.0, 1.0]]


def test_case_says_what_broke_without_the_script(tmp_path: Path) -> None:
    """What broke stands in the page itself: verdict, claim, id, what was seen."""
    case = Page(written(tmp_path).partition("<article")[2].partition("</article>")[0]).text

    parts = [BROKEN.claim, BROKEN.id, *(each.text for each in BROKEN.observations[:3])]
    assert [part for part in parts if part not in case] == []


def test_many_cases_stand_in_a_table(tmp_path: Path) -> None:
    """Of very many broken scenarios fifty are told in full, a thousand in short, all counted."""
    many = [replace(BROKEN, id=f"{BROKEN.id}{n}", evidence="") for n in range(1100)]

    text = written(tmp_path, *many)
    page = Page(text)

    assert len(page.all("article")) == 50
    assert "and 50 more, in the list of scenarios" in page.text
    assert len(data_of(text)["scenarios"]) == 1100
    assert text.count(BROKEN.claim) < 1200


def test_broken_stands_first(tmp_path: Path) -> None:
    """The first promise is a broken one, and so is the first case."""
    page = Page(written(tmp_path))

    assert page.all("article")[0] == {"id": "s3", "class": "case broken"}
    assert {"scope": "row", "class": "broken"} in page.all("th")
    assert "#broken" in {each["href"] for each in page.all("a")}


def test_evidence_is_linked_where_it_lies(tmp_path: Path) -> None:
    """Every link to evidence is relative and leads to a file that exists."""
    folder = tmp_path / BROKEN.evidence
    (folder / "a ?#%:b").mkdir(parents=True)
    for name in ("destination.serial", "a ?#%:b/50%.txt"):
        (folder / name).write_text("x")

    text = written(tmp_path)
    page = Page(text)

    addresses = [each["href"] for each in page.all("a") if "evidence/" in each["href"]]
    assert len(addresses) == 4
    assert [
        each for each in addresses if not (tmp_path / unquote(urlsplit(each).path)).exists()
    ] == []
    listed = [row for row in data_of(text)["scenarios"] if row[11]]
    assert [(row[0], row[13]) for row in listed] == [(BROKEN.id, 2)]
    files = data_of(text)["words"][listed[0][12]]
    assert [
        path for _, path in files if not (folder / unquote(urlsplit(path).path)).exists()
    ] == []


@pytest.mark.parametrize("evidence", ["/etc", "../outside", "evidence/../../outside", ".", ""])
def test_evidence_outside_the_results_is_not_listed(tmp_path: Path, evidence: str) -> None:
    """A folder that is not inside the results folder is neither read nor linked."""
    for folder in ("outside", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "secret").write_text("x")

    page = Page(written(tmp_path / "results", replace(BROKEN, evidence=evidence)))

    assert "secret" not in page.text
    assert "evidence:" not in page.text
    assert [each for each in page.all("a") if "outside" in each["href"]] == []


def test_evidence_that_no_disk_can_hold_is_not_listed(tmp_path: Path) -> None:
    """A name that no file can have does not keep the report from being written."""
    scenarios = [replace(BROKEN, evidence=name) for name in ("\0", "\ud800")]

    page = Page(written(tmp_path, *scenarios))

    assert "evidence:" not in page.text


def test_page_works_without_its_script(tmp_path: Path) -> None:
    """Without the script nothing shows that would do nothing, and all that matters does."""
    text = written(tmp_path)
    page = Page(text)

    hidden = {each["id"] for each in page.all("section") if "hidden" in each}
    assert hidden == {"scenarios", "times"}
    before = Page(text.partition('<section id="scenarios"')[0]).text
    assert page.all("form")
    assert "<form" not in text.partition('<section id="scenarios"')[0]
    assert [p.sentence for p in SAMPLE.promises if p.sentence not in before] == []


def test_what_is_missing_is_said_at_the_top(tmp_path: Path) -> None:
    """What could not be read, and evidence that is gone, stand before everything else."""
    run = replace(SAMPLE, missing=("The run did not come to its end: 2 of 7 have no result",))

    text = Page(html.page(run, tmp_path).partition('id="promises"')[0]).text

    assert "What is missing here The run did not come to its end" in text
    assert "The evidence of 6 scenarios is gone: evidence/" in text
    assert text.partition("live migration, qualified")[2].startswith(" Interrupted")


def test_unknown_numbers_are_said_to_be_unknown(tmp_path: Path) -> None:
    """A blackout or a duration that is not known does not show as a number."""
    nan = float("nan")
    scenario = replace(
        BROKEN, blackouts=(Blackout(nan, nan), Blackout(0.01, nan)), durations={"total": nan}
    )

    row = data_of(written(tmp_path, scenario))["scenarios"][0]

    assert row[9] == [None] * 6
    assert row[10] == [[None, None], [10.0, None]]


def test_markup_is_made_of_elements_only() -> None:
    """Text is escaped when it meets an element, as a child and as an attribute."""
    made = element("p", "1 < 2", Markup("<br>"), class_='"x"', open=True, hidden=False)

    assert made == '<p class="&quot;x&quot;" open>1 &lt; 2<br></p>'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.0 ms"),
        (0.00123, "1.2 ms"),
        (0.0996, "100 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.0, "1.00 s"),
        (99.0, "99.00 s"),
        (119.7, "2 min 00 s"),
        (7260.0, "2 h 01 min"),
    ],
)
def test_durations_read_well(value: float, words: str) -> None:
    """A duration is said in the unit in which it reads best."""
    assert seconds(value) == words
