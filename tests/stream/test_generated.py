# SPDX-License-Identifier: Apache-2.0
"""Streams with a stream's structure, and anything in it, are understood or refused, soon."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landfall.stream import Flag, parse
from landfall.stream.contents import Contents
from tests.stream import made
from tests.stream.budget import TooMany, calls_at_most, memory_at_most
from tests.stream.made import EOF, HEADER, PAGE, command, counted, full, item, ram, ram_start
from tests.stream.understood import is_as_it_should_be, understood

ALL = settings(deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = st.one_of(
    st.integers(-2, 9), st.sampled_from([1 << 16, 1 << 31, (1 << 32) - 1, 1 << 62, 1 << 80])
)
KINDS = st.sampled_from([
    "uint8", "uint32", "int32 le", "int64 equal", "bool", "timer", "buffer", "bitmap", "struct",
    "qtailq", "gtree", "tmp", "nullptr", "virtio", "unused_buffer", "", 7,
    "pci config", "pci irq state", "msix state",
])  # fmt: skip
NAMES = st.sampled_from(["a", "b", "env.regs", "a[0]", "", "disk/sub"])


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Return fields of which some are structures, lists and trees."""
    described = st.fixed_dictionaries(
        {}, optional={"vmsd_name": NAMES, "fields": inner, "subsections": inner}
    )
    field = st.fixed_dictionaries(
        {"name": NAMES, "type": KINDS, "size": NUMBERS},
        optional={
            "array_len": NUMBERS, "index": NUMBERS, "struct": described, "vmsd_name": NAMES,
            "fields": inner, "subsections": inner,
        },
    )  # fmt: skip
    return st.lists(field, max_size=4)


FIELDS = st.recursive(st.just([]), nested, max_leaves=8)
WORDS = st.one_of(
    st.builds(
        lambda flag, address, name, payload: item(flag, address * PAGE, payload, name),
        st.sampled_from([*Flag, 0, 0x400]),
        st.one_of(st.integers(0, 17), st.just(1 << 40)),
        st.sampled_from(["", "pc.ram", "pc.bios", "gone"]),
        st.sampled_from([
            b"", b"\0", bytes(PAGE), b"\1\0\3\2\1x", b"\1\0\0", b"\0\0\0\3abc",
        ]),
    ),
    st.binary(max_size=12),
)  # fmt: skip
DISCARD = st.builds(
    lambda name, ranges: command(6, b"\0" + counted(name) + b"\0" + b"".join(ranges)),
    st.sampled_from(["pc.ram", "gone"]),
    st.lists(st.binary(min_size=16, max_size=16), max_size=3),
)
PARTS = st.recursive(
    st.one_of(
        st.builds(lambda words: ram(*words), st.lists(WORDS, max_size=5)),
        st.builds(full, st.integers(0, 9), st.sampled_from(["disk", "x"]), st.binary(max_size=40)),
        st.builds(command, st.integers(0, 13), st.binary(max_size=24)),
        DISCARD,
    ),
    lambda inner: st.lists(inner, max_size=3).map(b"".join).map(
        lambda packed: command(7, len(packed).to_bytes(4)) + packed
    ),
    max_leaves=5,
)  # fmt: skip
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(["pc.ram", "pc.bios"]),
        st.sampled_from([0, PAGE, 16 * PAGE, 16 * PAGE + 1, 1 << 50]),
    ),
    max_size=2,
)


@ALL
@given(FIELDS, FIELDS, st.binary(min_size=1, max_size=200))
def test_any_fields(fields: object, subsections: object, payload: bytes) -> None:
    """Whatever a description says of a device's fields, each byte is in exactly one leaf."""
    device = {
        "name": "disk", "instance_id": 0, "vmsd_name": "disk",
        "fields": fields, "subsections": subsections,
    }  # fmt: skip
    start = HEADER + ram_start(("pc.ram", PAGE))

    data = start + full(5, "disk", payload) + EOF + made.description(device)

    assert understood(data) == "written unchanged"


@ALL
@given(BLOCKS, st.lists(PARTS, max_size=4))
def test_any_parts(blocks: list[tuple[str, int]], parts: list[bytes]) -> None:
    """Sections, items, packages and discards of any kind are understood or refused."""
    data = HEADER + ram_start(*blocks) + b"".join(parts) + EOF

    assert is_as_it_should_be(understood(data))


@ALL
@given(st.dictionaries(st.integers(0, 200), st.integers(0, 255), max_size=6), st.integers(0, 4))
def test_mapped_file_with_changes(changes: dict[int, int], cut: int) -> None:
    """A mapped-ram file whose places lie, or that was cut, is understood or refused."""
    data = bytearray(made.mapped())
    for place, value in changes.items():
        data[place] = value
    del data[len(data) - cut * 1000 :]

    assert is_as_it_should_be(understood(bytes(data)))


def test_array_of_nothing_is_not_gone_through() -> None:
    """An array of as many elements as can be told, of no size, costs no more than its device."""
    fields = [{"name": "a", "type": "struct", "struct": {}, "size": 0, "array_len": 1 << 62}]
    told = made.description(
        {"name": "disk", "instance_id": 0, "vmsd_name": "disk", "fields": fields}
    )

    assert understood(HEADER + full(5, "disk", bytes(9)) + EOF + told) == "written unchanged"


def test_structures_in_structures_end() -> None:
    """Structures nested beyond reason are bytes that nothing tells of."""
    inner: dict[str, object] = {"vmsd_name": "x", "fields": []}
    for _ in range(200):
        field = {"name": "a", "type": "struct", "size": 4, "struct": inner}
        inner = {"vmsd_name": "x", "fields": [field]}
    told = made.description({"name": "disk", "instance_id": 0, **inner})

    assert understood(HEADER + full(5, "disk", bytes(4)) + EOF + told) == "written unchanged"


def test_claimed_memory_is_not_taken() -> None:
    """A block of as much RAM as can be told costs no more than the items that are there."""
    data = HEADER + ram_start(("pc.ram", 1 << 60)) + ram(item(Flag.ZERO, 0, b"\0", "pc.ram")) + EOF

    with memory_at_most(1 << 20), calls_at_most(20_000):
        pages = Contents(parse(data)).pages["pc.ram"]

    assert [*pages.numbers()] == [0]


@pytest.mark.parametrize(
    "told",
    [
        b"\7" + (1 << 31).to_bytes(4) + b"pc",
        made.configuration(
            subsections=made.subsection("configuration/capabilities", (1 << 31).to_bytes(4))
        ),
        command(7, (1 << 31).to_bytes(4)),
        ram_start(("pc.ram", 1 << 62))[:-13] + b"\xff",
    ],
    ids=["name", "capabilities", "package", "blocks"],
)
def test_huge_counts_are_refused(told: bytes) -> None:
    """A count that there is no room for is refused without being believed."""
    with memory_at_most(1 << 20):
        assert understood(HEADER + told + EOF).startswith("at 0x")


def test_deep_json_in_fields_is_no_description() -> None:
    """JSON that is nested beyond what Python reads is no description."""
    text = b'{"devices":[{"name":' + b"[" * 100_000
    told = b"\6" + len(text).to_bytes(4) + text

    assert understood(HEADER + full(5, "disk", b"x") + EOF + told) == "written unchanged"


def test_budget_is_seen_exceeded() -> None:
    """What calls more than it may is seen."""
    with pytest.raises(TooMany), calls_at_most(10):
        list(map(json.dumps, range(20)))


def test_large_description_is_gone_through_once() -> None:
    """A description costs once what it costs, and not for each section that it tells of."""
    fields = [{"name": "a", "type": "uint8", "size": 0}] * 3000
    told = made.description(
        {"name": "disk", "instance_id": 0, "vmsd_name": "disk", "fields": fields}
    )
    sections = full(5, "disk", b"") * 2000

    assert understood(HEADER + sections + EOF + told) == "written unchanged"


def test_long_names_are_not_multiplied() -> None:
    """A name of any length is not written out for each element of an array."""
    field = {"name": "a" * 100_000, "type": "uint8", "size": 1, "array_len": 1000}
    told = made.description(
        {"name": "disk", "instance_id": 0, "vmsd_name": "disk", "fields": [field]}
    )
    data = HEADER + full(5, "disk", bytes(1000)) + EOF + told

    with memory_at_most(1 << 23):
        assert understood(data) == "written unchanged"
