# SPDX-License-Identifier: Apache-2.0
"""What may differ between two states is data, and excuses no more than it says."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from landfall.state import excuses, naming
from landfall.state.excuses import _Entry as Entry
from landfall.stream import Leaf

FIELD = Leaf("clock", "uint64", 100, 0, 8)
TEXT = Leaf("text", "buffer", b"paused\0\0", 0, 8)


def entry(how: str, **more: Any) -> Entry:
    """Return an entry of the table for any device called pit."""
    return Entry("pit", "*", how, "because", "a file", **more)


def test_every_entry_is_whole() -> None:
    """Each entry says of what it speaks, how it may differ, why, and where that was found."""
    for each in excuses._table():
        assert each.how in excuses.HOWS
        assert len(each.reason) > 20
        assert len(each.source) > 10
        assert "*" not in (each.device, each.path)


@pytest.mark.parametrize(
    ("allowed", "value"),
    [(True, 100), (True, 150), (False, 151), (False, 99)],
    ids=["stands", "counts", "too far", "back"],
)
def test_counting_on(value: int, allowed: bool) -> None:  # noqa: FBT001
    """A clock may count on by so much, and never back."""
    other = replace(FIELD, value=value)

    assert entry("counts-on", within=50).allows("pit", "clock", FIELD, other) is allowed


def test_bits() -> None:
    """Only the bits that are named may differ."""
    bits = entry("bits", mask=0x60)

    assert bits.allows("pit", "clock", FIELD, replace(FIELD, value=100 ^ 0x60))
    assert not bits.allows("pit", "clock", FIELD, replace(FIELD, value=101 ^ 0x60))


def test_gone() -> None:
    """What may be gone may not be new, and may not change."""
    gone = entry("gone")

    assert gone.allows("pit", "clock", FIELD, None)
    assert not gone.allows("pit", "clock", None, FIELD)
    assert not gone.allows("pit", "clock", FIELD, replace(FIELD, value=1))


def test_in_one() -> None:
    """What may be in one state only may not change where it is in both."""
    in_one = entry("in-one")

    assert in_one.allows("pit", "clock", None, FIELD)
    assert in_one.allows("pit", "clock", FIELD, None)
    assert not in_one.allows("pit", "clock", FIELD, replace(FIELD, value=1))


def test_padding() -> None:
    """A text may be longer by zeros, and by nothing else."""
    padding = entry("padding")

    assert padding.allows("pit", "text", TEXT, replace(TEXT, value=b"paused"))
    assert not padding.allows("pit", "text", TEXT, replace(TEXT, value=b"running"))


def test_other_device_is_not_excused() -> None:
    """An entry is for its device, wherever that is, and for its field."""
    narrow = Entry("pit", "a[0]", "any", "because", "a file")

    assert narrow.allows("0000:00:01.0/pit", "a[0]", FIELD, FIELD)
    assert not narrow.allows("hpet", "a[0]", FIELD, FIELD)
    assert not narrow.allows("pit", "a0", FIELD, FIELD)


def test_names_are_of_known_devices() -> None:
    """Each device whose fields have names has a title, and no name is given twice."""
    told = tomllib.loads(naming.DATA.read_text())
    fields = [*told["field"], *told["elements"]]

    assert all(naming.title(each["device"]) for each in fields)
    assert len({(e["device"], e["path"]) for e in fields}) == len(fields)


def test_registers_have_names() -> None:
    """A register is called as programmers do, and a segment's parts with it."""
    assert naming.called("cpu", "env.regs[4]") == "rsp"
    assert naming.called("cpu", "env.segs[1].base") == "cs.base"
    assert naming.called("cpu", "env.regs[99]") == ""
