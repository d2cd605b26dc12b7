# SPDX-License-Identifier: Apache-2.0
"""A reset that the guest asked for parts its life in two; nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.oracles import judge
from landfall.resets import lives_between_resets
from landfall.verdict import Verdict
from tests.life import beats, event, moved, statement, verified, with_destination, with_source

BOOT = "@0 boot guest=pulse bits=40 cpus=2 pages=1f47 features=avx tick=989680"
RESET_AT = 0.46


def heard(text: str, at: float) -> Heard:
    """Return a statement that was heard."""
    return Heard(statement(text), at)


def before() -> tuple[Heard, ...]:
    """What the guest said until it had itself reset."""
    leaving = heard("@b leaving id=b007 text=reboot", 0.44)
    return (*beats(1, 10, at=0.2, guest_time=0.2), leaving)


def up_again() -> History:
    """The history of a guest that was reset while it was moved, and up before it left."""
    history = moved()
    source, _ = history.sides
    anew = (heard(BOOT, 0.5), heard("@1 ready pages=1f47", 0.51))
    history = with_source(
        history,
        heard=(*before(), *anew, *beats(2, 20, at=0.52, guest_time=0.1)),
        events=(*source.events[:2], event("RESET", RESET_AT, guest=True), *source.events[2:]),
    )
    there = (*beats(22, 10, at=1.12, guest_time=0.5), verified(32, 1.4))
    return with_destination(history, heard=there)


def boots_there() -> History:
    """The history of a guest that was reset while it was moved, and came up where it arrived."""
    history = with_source(up_again(), heard=before())
    anew = (heard(BOOT, 2.9), heard("@1 ready pages=1f47", 3.1))
    there = (*anew, *beats(2, 20, at=3.2, guest_time=0.5), verified(22, 3.9))
    return with_destination(history, heard=there)


def broken(history: History) -> dict[str, str]:
    """Every broken promise, and what is said against it first."""
    findings = judge(history)
    return {f.oracle: f.observations[0].text for f in findings if f.verdict is Verdict.BROKEN}


@pytest.mark.parametrize("history", [up_again(), boots_there()], ids=["up-again", "boots-there"])
def test_reset_that_was_asked_for_breaks_nothing(history: History) -> None:
    """A guest that is reset in the midst of its move, and says so, has two lives, both sound."""
    assert len(lives_between_resets(history)) == 2
    assert {f.oracle: f.reason for f in judge(history) if f.verdict is Verdict.UNABLE} == {}
    assert broken(history) == {}


def test_reset_that_nobody_asked_for_convicts() -> None:
    """A guest whose statements begin anew, and that had not left, was not moved but lost."""
    history = up_again()
    unasked = tuple(h for h in history.sides[0].heard if h.statement.kind != "leaving")

    said = broken(with_source(history, heard=unasked))

    assert "on the source statement 0x0 came after 0xa" in said["ownership"]


def test_reset_that_qemu_did_not_make_convicts() -> None:
    """A guest that left for a reset, and speaks on without one, ran when it should not."""
    history = up_again()
    events = tuple(e for e in history.sides[0].events if e.name != "RESET")

    said = broken(with_source(history, events=events))

    assert "on the source statement 0x0 came after 0xb" in said["ownership"]


def test_two_lives_are_judged_each() -> None:
    """Memory that went bad before the reset convicts, though the guest began anew."""
    history = up_again()
    bad = heard("@c page cpu=0 addr=1000 found=0 expected=1 gen=2 during=write bad=1", 0.43)
    first = history.sides[0].heard
    damaged = replace(history.sides[0], heard=(*first[:10], bad, *first[10:]))

    said = broken(replace(history, sides=(damaged, history.sides[1])))

    assert "on the source the memory at 0x1000 holds" in said["memory"]


def test_guest_that_never_came_up_again_convicts() -> None:
    """A guest that was reset and never boots where it arrived is seen to be silent."""
    said = broken(with_destination(boots_there(), heard=()))

    assert "its guest said nothing after the last attempt" in said["ownership"]
