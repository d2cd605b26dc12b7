# SPDX-License-Identifier: Apache-2.0
"""A description's forms are read as QEMU writes them: arrays, lists, trees, what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from landfall.stream import Leaf, leaves, parse
from landfall.stream.described import UNDESCRIBED
from landfall.stream.leaf import encoded
from tests.stream import made
from tests.stream.made import EOF, HEADER, counted, full

ELEMENT = '"vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint16", "size": 2}]'
"""What QEMU writes of a list's element into the list's own object, once for each."""
KEY = '"vmsd_name": "k", "version": 1, "fields": [{"name": "low", "type": "uint64", "size": 8}]'


def told(fields: str, payload: bytes, more: str = "") -> list[Leaf]:
    """Return the leaves of a device whose fields are told in JSON as it is."""
    text = (
        '{"page_size": 4096, "devices": [{"name": "disk", "instance_id": 0, "vmsd_name": "disk", '
        f'"version": 1, "fields": [{fields}]{more}}}]}}'
    ).encode("ascii")
    data = HEADER + full(5, "disk", payload) + EOF + b"\6" + len(text).to_bytes(4) + text
    stream = parse(data)
    found = leaves(stream, stream.sections[0])
    assert b"".join(map(encoded, found)) == payload
    return found


def short(found: list[Leaf]) -> list[tuple[str, Any]]:
    """Return paths and values."""
    return [(leaf.path, leaf.value) for leaf in found]


def test_numbers() -> None:
    """A number is as large and has the sign that its type says."""
    fields = [
        {"name": kind, "type": kind, "size": size}
        for kind, size in (("uint8", 1), ("int8", 1), ("int32 le", 4), ("int64 equal", 8))
    ]

    found = told(json.dumps(fields)[1:-1], b"\xff\xff" + b"\xff" * 12)

    assert [leaf.value for leaf in found] == [255, -1, -1, (1 << 64) - 1]


def test_bool_that_is_none() -> None:
    """What is neither true nor false in a bool is told as it is."""
    field = '{"name": "b", "array_len": 3, "type": "bool", "size": 1}'

    assert [leaf.value for leaf in told(field, b"\0\1\7")] == [False, True, 7]


def test_array_told_by_its_first_element() -> None:
    """Of an array whose elements are alike one is told."""
    inner = (
        '{"vmsd_name": "s", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]}'
    )
    field = f'{{"name": "a", "array_len": 2, "type": "struct", "struct": {inner}, "size": 1}}'

    assert short(told(field, b"\1\2")) == [("a[0].x", 1), ("a[1].x", 2)]


def test_array_told_element_by_element() -> None:
    """Elements that are told one by one have their index, which 11.1 leaves out."""
    with_index = '{"name": "a", "index": 1, "type": "uint8", "size": 1}'
    without = '{"name": "b", "type": "uint8", "size": 1}'

    found = told(f"{with_index}, {without}, {without}", b"\1\2\3")

    assert short(found) == [("a[1]", 1), ("b[0]", 2), ("b[1]", 3)]


def test_array_with_pointers_to_nothing() -> None:
    """An array in which some lead nowhere is told in runs, which count on."""
    nothing = '{"name": "p", "array_len": 2, "type": "nullptr", "size": 1}'
    something = '{"name": "p", "type": "uint16", "size": 2}'

    found = told(f"{nothing}, {something}", b"00\0\5")

    assert short(found) == [("p[0]", 0x30), ("p[1]", 0x30), ("p[2]", 5)]


def test_pointer_to_nothing_told_as_a_structure() -> None:
    """Up to 9.2 one that leads nowhere is told as the structure that it is not."""
    field = '{"name": "p", "index": 0, "type": "struct", "struct": {}, "size": 1}'

    assert [(leaf.kind, leaf.value) for leaf in told(field, b"0")] == [("nullptr", 0x30)]


@pytest.mark.parametrize("kind", ["qtailq", "qlist"])
def test_list(kind: str) -> None:
    """A list's elements are told by keys that come again, and a mark is before each."""
    field = f'{{"name": "l", "type": "{kind}", {ELEMENT}, {ELEMENT}, "size": 7}}'

    assert short(told(field, b"\1\0\7\1\0\x08\0")) == [
        ("l[0].follows", 1), ("l[0].x", 7), ("l[1].follows", 1), ("l[1].x", 8),
        ("l[2].follows", 0),
    ]  # fmt: skip


def test_empty_list() -> None:
    """A list of nothing is a mark."""
    field = '{"name": "l", "type": "qtailq", "size": 1}'

    assert short(told(field, b"\0")) == [("l[0].follows", 0)]


def test_tree_with_numbers_for_keys() -> None:
    """A tree has how many nodes there are, and of each a mark, a key and a value."""
    field = f'{{"name": "t", "type": "gtree", {ELEMENT}, "size": 16}}'

    found = told(field, (1).to_bytes(4) + b"\1" + (9).to_bytes(8) + b"\0\7" + b"\0")

    assert short(found) == [
        ("t.nodes", 1), ("t[0].follows", 1), ("t[0].key", 9), ("t[0].x", 7), ("t[1].follows", 0),
    ]  # fmt: skip


def test_tree_with_structures_for_keys() -> None:
    """A key that is a structure is told before its value."""
    field = f'{{"name": "t", "type": "gtree", {KEY}, {ELEMENT}, "size": 16}}'

    found = told(field, (1).to_bytes(4) + b"\1" + (9).to_bytes(8) + b"\0\7" + b"\0")

    assert short(found)[2:4] == [("t[0].key.low", 9), ("t[0].x", 7)]


def test_what_is_made_to_be_written() -> None:
    """What has no place in the device is told inside the field."""
    field = f'{{"name": "m", "type": "tmp", {ELEMENT}, "size": 2}}'

    assert short(told(field, b"\0\7")) == [("m.x", 7)]


def test_subsection_in_a_structure() -> None:
    """A structure's size has its subsections, with their headers."""
    header = b"\5" + counted("s/more") + (2).to_bytes(4)
    sub = '{"vmsd_name": "s/more", "version": 2, "fields": [' + (
        '{"name": "y", "type": "uint8", "size": 1}]}'
    )
    inner = f'{{"vmsd_name": "s", "version": 1, "fields": [], "subsections": [{sub}]}}'
    size = len(header) + 1

    found = told(
        f'{{"name": "a", "type": "struct", "struct": {inner}, "size": {size}}}', header + b"\7"
    )

    assert short(found) == [("a.s/more", 2), ("a.s/more.y", 7)]


def test_element_that_is_another() -> None:
    """An element that the first one does not describe is bytes, and the next one is read again."""
    field = f'{{"name": "l", "array_len": 3, "type": "qlist", {ELEMENT}, "size": 4}}'

    found = told(field, b"\1\0\7\0" + b"\1\0\1\1" + b"\1\0\x08\0")

    assert [(leaf.path, leaf.opaque) for leaf in found if leaf.opaque] == [("l[1]", True)]
    assert ("l[2][0].x", 8) in short(found)


def test_state_that_is_longer_than_told() -> None:
    """What is behind all that is told is told to be undescribed."""
    field = '{"name": "x", "type": "uint8", "size": 1}'
    wrong = ', "subsections": [{"vmsd_name": "disk/more", "version": 1, "fields": []}]'

    found = told(field, b"\1\2\3", wrong)

    assert [(leaf.path, leaf.kind) for leaf in found] == [("x", "uint8"), ("(rest)", UNDESCRIBED)]


def test_state_that_nothing_tells_of() -> None:
    """A device without a description is one opaque leaf, and so is one that writes by itself."""
    stream = parse(HEADER + full(5, "disk", b"abc") + EOF)
    old = parse(
        HEADER + full(5, "slirp", b"abc") + EOF
        + made.description({"name": "slirp", "instance_id": 0, "fields": []})
    )  # fmt: skip

    assert [leaf.kind for leaf in leaves(stream, stream.sections[0])] == [UNDESCRIBED]
    assert [leaf.kind for leaf in leaves(old, old.sections[0])] == ["old style"]


def test_path_that_is_told_twice() -> None:
    """A field that has another one's path is told apart: i8254 has one."""
    first = '{"name": "a", "array_len": 2, "type": "uint8", "size": 1}'
    again = '{"name": "a[0]", "type": "uint8", "size": 1}'

    assert short(told(f"{first}, {again}", b"\1\2\3")) == [("a[0]", 1), ("a[1]", 2), ("a[0]#2", 3)]
