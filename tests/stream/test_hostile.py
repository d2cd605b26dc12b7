# SPDX-License-Identifier: Apache-2.0
"""Whatever the bytes are, they are a stream or a StreamError, and soon."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landfall.stream import StreamError, parse
from tests.stream import made
from tests.stream.made import outcome

WHOLE = made.whole()
UNDESCRIBED = parse(WHOLE).sections[-1].start
"""Where the stream is whole, but for its description."""
PROMPT = settings(deadline=timedelta(seconds=2), suppress_health_check=list(HealthCheck))
PLACES = st.integers(0, len(WHOLE) - 1)
"""Most of the stream is pages; these are where it is not."""
TENDER = st.sampled_from([
    *range(made.WHOLE_PAGES_FROM),
    *range(len(WHOLE) - made.WHOLE_PAGES_AFTER, len(WHOLE)),
])  # fmt: skip


@PROMPT
@given(st.one_of(PLACES, TENDER).filter(lambda size: size != UNDESCRIBED))
def test_truncated(size: int) -> None:
    """A stream that was cut, but for its whole description, is refused at or before the cut."""
    with pytest.raises(StreamError) as caught:
        parse(WHOLE[:size])

    assert caught.value.offset <= size


@PROMPT
@given(st.dictionaries(st.one_of(PLACES, TENDER), st.integers(0, 255), max_size=8))
def test_changed_bytes(changes: dict[int, int]) -> None:
    """A stream with some bytes changed is a stream or a StreamError."""
    data = bytearray(WHOLE)
    for place, value in changes.items():
        data[place] = value

    assert outcome(bytes(data)) != "written otherwise"


@PROMPT
@given(TENDER, st.sampled_from([1, 2, 4, 8]), st.binary(min_size=8, max_size=8))
def test_changed_numbers(place: int, size: int, number: bytes) -> None:
    """A stream with any number in the place of another is a stream or a StreamError."""
    data = WHOLE[:place] + number[:size] + WHOLE[place + size :]

    assert outcome(data) != "written otherwise"


@PROMPT
@given(PLACES, PLACES, PLACES)
def test_moved_pieces(start: int, end: int, to: int) -> None:
    """A stream with a piece of it repeated elsewhere is a stream or a StreamError."""
    data = WHOLE[:to] + WHOLE[min(start, end) : max(start, end)] + WHOLE[to:]

    assert outcome(data) != "written otherwise"


@PROMPT
@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    """Any bytes after a header are a stream or a StreamError."""
    assert outcome(made.HEADER + data) != "written otherwise"


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "instance_id", "fields", "size", "array_len", "subsections"]),
            inner,
            max_size=4,
        ),
    ),
)


@PROMPT
@given(JSON)
def test_any_description(value: object) -> None:
    """A description of any shape does not keep a stream from being read."""
    device = {"name": "disk", "instance_id": 0, "fields": value, "subsections": value}
    text = json.dumps({"page_size": value, "devices": [device, value]}).encode("ascii")
    told = b"\6" + len(text).to_bytes(4) + text
    data = made.HEADER + made.full(5, "disk", bytes(9)) + made.EOF + told

    stream = parse(data)

    assert stream.sections[0].name == "disk"
    assert stream.description is not None
    assert isinstance(stream.description.fields("disk", 0), list)


def test_deep_description() -> None:
    """A description nested beyond reason is no description, and no crash."""
    text = b'{"devices":' + b"[" * 200_000
    data = made.HEADER + made.EOF + b"\6" + len(text).to_bytes(4) + text

    assert parse(data).description is None


def test_deep_subsections() -> None:
    """Subsections nested beyond reason say nothing of a device's length, and crash nothing."""
    device: dict[str, object] = {"vmsd_name": "x"}
    for _ in range(300):
        device = {"vmsd_name": "x", "subsections": [device]}
    told = made.description({"name": "disk", "instance_id": 0, "subsections": [device]})

    stream = parse(made.HEADER + made.full(5, "disk", bytes(9)) + made.EOF + told)

    assert stream.sections[0].name == "disk"


@pytest.mark.parametrize(
    "data",
    [
        made.command(2, bytes(4)) * 20_000,
        made.full(5, "disk", made.footer(5) * 100_000),
        made.ram_start(("pc.ram", 1 << 40)) + b"\2\0\0\0\2" + made.item(2, 0, b"\0") * 100_000,
    ],
    ids=["commands", "footers", "zero pages"],
)
def test_long_and_hostile(data: bytes) -> None:
    """A long hostile stream is refused."""
    with pytest.raises(StreamError):
        parse(made.HEADER + data)
