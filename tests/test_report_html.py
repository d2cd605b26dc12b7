# SPDX-License-Identifier: Apache-2.0
"""report.html is one file that shows everything, needs nothing and trusts nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from landfall.report import html, results
from landfall.report.markup import Markup, element
from landfall.report.run import Run
from landfall.report.words import seconds
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


def row_of(text: str) -> str:
    """Return what the rows of the first promise say."""
    return Page(text.partition("<tbody>")[2].partition("</tbody>")[0]).text


def test_page_is_well_formed(tmp_path: Path) -> None:
    """Every element is closed, in order."""
    page = Page(written(tmp_path))

    assert page.open == []


def test_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    """Nothing is loaded: no address in the page is of the web, known bugs' apart."""
    text = written(tmp_path)
    page = Page(text)

    addresses = [each["href"] for each in page.all("a")]
    loaded = {"img", "link", "iframe", "object", "base", "audio", "video", "svg"}

    assert {url for url in addresses if ":" in url} == {
        "https://gitlab.com/qemu-project/qemu/-/issues/1",
        "https://gitlab.com/qemu-project/qemu/-/issues/2",
    }
    assert loaded.isdisjoint(name for name, _ in page.elements)
    assert [each for _, each in page.elements if "src" in each] == []
    assert re.findall(r"url\(|@import", text) == []


def test_policy_lets_only_our_own_script_run(tmp_path: Path) -> None:
    """The page forbids every script but its own, which it names by hash."""
    text = written(tmp_path)
    script = text.partition("<script>")[2].partition("</script>")[0]

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert "default-src 'none'; base-uri 'none'; form-action 'none'; style-src" in text
    assert f"script-src 'sha256-{digest}'" in text


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

    assert text.count("<script") == 1
    assert "alert('x')" not in text
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
    top = Page(written(tmp_path).partition("<form")[0]).text

    facts = [
        SAMPLE.verdict,
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


def test_row_says_everything(tmp_path: Path) -> None:
    """A row holds the verdict's word, the claim, the id, what was seen, the times, the counts."""
    row = row_of(written(tmp_path, BROKEN))

    parts = [
        "broken",
        BROKEN.claim,
        BROKEN.id,
        "transport exec",
        *(each.text for each in BROKEN.observations),
        "1.00 s 500 ms 150 ms 100 ms 30.0 ± 1.0 ms",
        "heartbeats after 40",
        "pages checked 32,768",
        "does not apply: this machine has no network card",
    ]
    assert [part for part in parts if part not in row] == []


def test_broken_stands_first(tmp_path: Path) -> None:
    """The first row is a broken one, and the top links to it."""
    page = Page(written(tmp_path))
    rows = [each for each in page.all("tr") if "id" in each]

    assert rows[0] == {"id": "s3", "class": "broken"}
    assert "#s3" in {each["href"] for each in page.all("a")}
    assert len(rows) == len(SAMPLE.scenarios)


def test_evidence_is_linked_where_it_lies(tmp_path: Path) -> None:
    """Every link to evidence is relative and leads to a file that exists."""
    folder = tmp_path / BROKEN.evidence
    (folder / "a ?#%:b").mkdir(parents=True)
    for name in ("destination.serial", "a ?#%:b/50%.txt"):
        (folder / name).write_text("x")

    page = Page(written(tmp_path))

    addresses = [each["href"] for each in page.all("a") if "evidence" in each["href"]]
    assert len(addresses) == 4
    assert [
        each for each in addresses if not (tmp_path / unquote(urlsplit(each).path)).exists()
    ] == []
    assert "evidence: 2 files" in page.text


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
    """Without the script all rows show, and controls that would do nothing do not."""
    page = Page(written(tmp_path))

    assert [each for each in page.all("form") if "hidden" not in each] == []
    assert [each for each in page.all("tr") if "hidden" in each] == []


def test_unknown_numbers_are_said_to_be_unknown(tmp_path: Path) -> None:
    """A blackout or a duration that is not known does not show as a number."""
    nan = float("nan")
    scenario = replace(
        BROKEN, blackouts=(Blackout(nan, nan), Blackout(0.01, nan)), durations={"total": nan}
    )

    row = row_of(written(tmp_path, scenario))

    assert "not known not known 10.0 ms, uncertainty not known" in row
    assert "nan" not in row


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
