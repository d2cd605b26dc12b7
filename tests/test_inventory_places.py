# SPDX-License-Identifier: Apache-2.0
"""Every key of a TOML document has a line, however it is written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.inventory.places import Place, line_of, places

DOCUMENT = '''# a comment with [brackets] = and "quotes"
source = "a # b" # [no.table]

hosts.dotted.port = 22
hosts."quoted.name".'in one' = { x = [1, 2], "y z" = { deep = true } }
[ hosts . "a\\u0062c" ]
labels = [
  "one", # ] not the end
  """two
  ] lines""", [ 3,
  ], # a comma too many
]
text = \'\'\'
[not.a.table]
key = "value"\'\'\'\'\'
date = 1979-05-27 07:32:00
[[many]]
key = 1
[many.inner]
key = 2
[[many]]
key = """ends in two quotes"""""
after = 1
'''
LINES: dict[Place, int] = {
    ("source",): 2,
    ("hosts",): 4,
    ("hosts", "dotted"): 4,
    ("hosts", "dotted", "port"): 4,
    ("hosts", "quoted.name", "in one"): 5,
    ("hosts", "quoted.name", "in one", "x", 1): 5,
    ("hosts", "quoted.name", "in one", "y z", "deep"): 5,
    ("hosts", "abc"): 6,
    ("hosts", "abc", "labels"): 7,
    ("hosts", "abc", "labels", 0): 8,
    ("hosts", "abc", "labels", 1): 9,
    ("hosts", "abc", "labels", 2): 10,
    ("hosts", "abc", "labels", 2, 0): 10,
    ("hosts", "abc", "text"): 13,
    ("hosts", "abc", "date"): 16,
    ("many", 0): 17,
    ("many", 0, "key"): 18,
    ("many", 0, "inner"): 19,
    ("many", 0, "inner", "key"): 20,
    ("many", 1): 21,
    ("many", 1, "key"): 22,
    ("many", 1, "after"): 23,
}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,3}", fullmatch=True), TEXT)
VALUES = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), TEXT, TEXT.map(lambda text: f"{text}\n[x]\ny=1")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def named(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield everything that a document names."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from named(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from named(inner, (*place, index))


def quoted(text: str, *, over_lines: bool) -> str:
    """Return a string of TOML; over several lines where it has some."""
    lines = text.split("\n") if over_lines else [text]
    written = [json.dumps(line, ensure_ascii=False).replace("\x7f", "\\u007f") for line in lines]
    # TOML drops a line end that comes first.
    return (
        '"""\n' + "\n".join(line[1:-1] for line in written) + '"""' if over_lines else written[0]
    )


def inline(value: Any) -> str:
    """Write a value, arrays over several lines."""
    if isinstance(value, dict):
        pairs = (f"{quoted(k, over_lines=False)} = {inline(v)}" for k, v in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[ # ]\n" + "".join(f"  {inline(element)}, # ,\n" for element in value) + "]"
    if isinstance(value, str):
        return quoted(value, over_lines="\n" in value)
    return json.dumps(value)


@pytest.mark.parametrize("place", LINES, ids=lambda place: ".".join(map(str, place)))
def test_line_is_where_a_person_would_look(place: Place) -> None:
    """A key, an element and a table's header have the line in which they stand."""
    assert places(DOCUMENT)[place] == LINES[place]


def test_what_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    """A key that is missing is told of where its table begins."""
    found = places(DOCUMENT)

    assert line_of(("hosts", "abc", "ssh"), found) == LINES["hosts", "abc"]
    assert line_of(("nowhere",), found) == 1


@pytest.mark.parametrize("text", ["", "\n# only this", "[a]", "a=1", "a = [ ]\r\nb = {}\r\n"])
def test_small_documents_are_walked_to_their_end(text: str) -> None:
    """The walk ends where the document does."""
    assert set(places(text)) == set(named(tomllib.loads(text)))


def test_example_of_every_form_is_walked_whole() -> None:
    """The walk names what tomllib names, and nothing else."""
    assert set(places(DOCUMENT)) == set(named(tomllib.loads(DOCUMENT)))


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_walk_names_what_tomllib_names(document: dict[str, dict[str, Any]]) -> None:
    """Whatever the keys and values hold, the walk never mistakes the one for the other."""
    text = "".join(
        f"[ {quoted(table, over_lines=False)} ]\n"
        + "".join(f"{quoted(k, over_lines=False)}= {inline(v)}\n" for k, v in pairs.items())
        for table, pairs in document.items()
    )

    assert tomllib.loads(text) == document
    assert set(places(text)) == set(named(document))
