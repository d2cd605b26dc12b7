# SPDX-License-Identifier: Apache-2.0
"""Two saved states are told apart field by field, and page by page."""

from __future__ import annotations

from hashlib import sha256

from landfall import state
from landfall.stream import Edit, Kind, parse
from tests.stream import made

WHOLE = made.whole()
SAVED = parse(WHOLE)


def edited(*edits: Edit) -> state.State:
    """Return the state with some bytes changed."""
    return state.read(b"".join(SAVED.pieces(edits)))


def test_same_state_does_not_differ() -> None:
    """A state does not differ from itself."""
    assert state.differences(state.read(WHOLE), state.read(WHOLE)) == []


def test_changed_field_is_named() -> None:
    """A changed field is told by its device, its path and both its values."""
    cpu = SAVED.named("cpu", Kind.FULL)[1]

    found = state.differences(
        state.read(WHOLE), edited(Edit(cpu.payload + 8, cpu.payload + 9, b"\xff"))
    )

    assert [(d.device, d.instance, d.path, d.kind) for d in found] == [
        ("cpu", 1, "env.regs[1]", "changed")
    ]
    assert (found[0].before[:6], found[0].after[:6]) == ("0x6262", "0xff62")


def test_changed_page_is_placed() -> None:
    """A changed page is told by its block, where it is, and where in it the first byte is."""
    page = next(item for item in SAVED.pages() if item.block == "pc.bios")

    found = state.differences(
        state.read(WHOLE), edited(Edit(page.payload + 3, page.payload + 4, b"\0"))
    )

    assert [(d.device, d.path) for d in found] == [("ram", "pc.bios 0x0..0x1000")]
    assert (found[0].before, found[0].after) == ("at 0x3: ea", "at 0x3: 00")


def test_missing_device_is_told() -> None:
    """A device that one state has alone is one difference."""
    timer = SAVED.named("timer")[0]

    found = state.differences(state.read(WHOLE), edited(Edit(timer.start, timer.end)))

    assert [(d.device, d.path, d.kind) for d in found] == [("timer", "", "only-in-first")]


def test_block_has_a_digest() -> None:
    """A block's digest is that of its pages, one behind the other."""
    pages = state.read(WHOLE).ram["pc.bios"]

    assert pages.digest() == sha256(b"\xea" * pages.page_size).hexdigest()


def test_device_that_comes_twice() -> None:
    """Of a device that has several sections each is compared with its own."""
    timer = SAVED.named("timer")[0]
    section = bytes(SAVED.data[timer.start : timer.end])

    twice = edited(Edit(timer.end, timer.end, section))

    assert state.differences(twice, twice) == []
    found = state.differences(state.read(WHOLE), twice)
    assert [(one.device, one.kind) for one in found] == [("timer", "only-in-second")]


def test_state_without_a_description() -> None:
    """A state that does not describe itself is read by the other's description."""
    cpu = SAVED.named("cpu")[0]
    changed = edited(Edit(cpu.payload, cpu.payload + 8, bytes(8))).stream
    told = changed.data[: changed.sections[-1].start]

    found = state.differences(state.read(bytes(told)), state.read(WHOLE))

    assert [(one.path, one.before) for one in found] == [("env.regs[0]", "0")]
