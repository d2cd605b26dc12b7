# SPDX-License-Identifier: Apache-2.0
"""Random sequences: their text, what is legal when, and faults that are named by their step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import PromiseBroken, UsageError
from landfall.sequences.model import check, drawn, is_legal
from landfall.sequences.shrinking import shrunk
from landfall.sequences.steps import FEATURES, NOTHING, Op, Step, parse, text
from landfall.sequences.walk import Walk
from landfall.vm import VM

SEEDS = st.integers(min_value=0, max_value=1 << 32)


@given(SEEDS)
def test_sequence_survives_its_text(seed: int) -> None:
    """A sequence that was written is read back as it was."""
    assert parse(text(drawn(seed))) == drawn(seed)


@given(SEEDS)
def test_what_is_drawn_is_legal(seed: int) -> None:
    """Every sequence that is drawn may be walked, and leaves the guest at rest."""
    check(drawn(seed))


@given(SEEDS)
def test_what_builds_lack_is_not_drawn(seed: int) -> None:
    """A feature that is not offered is in no sequence."""
    assert {step.feature for step in drawn(seed, [NOTHING])} <= {"", NOTHING}


def test_seed_is_a_sequence_for_good() -> None:
    """What a seed means does not change between runs and machines."""
    assert [str(step) for step in drawn(7)[:3]] == [
        "migrate tcp postcopy-ram",
        "migrate-start-postcopy",
        "finish",
    ]


def test_every_operation_is_drawn() -> None:
    """The first two hundred seeds do everything, with every feature."""
    steps = [step for seed in range(1, 201) for step in drawn(seed)]

    assert {step.op for step in steps} == set(Op)
    assert {step.feature for step in steps} == {"", *FEATURES}


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("jump", "line 1: no step is called jump"),
        ("stop\nmigrate tcp", "line 2: migrate takes 2 words"),
        ("migrate carrier-pigeon nothing", "line 1: transports are tcp, unix"),
    ],
)
def test_bad_line_is_named(said: str, complaint: str) -> None:
    """A line that is no step is told with its number."""
    with pytest.raises(UsageError, match=complaint):
        parse(said)


@pytest.mark.parametrize(
    "steps",
    [
        "cancel",
        "cont",
        "migrate tcp nothing",
        "migrate tcp postcopy-ram\nmigrate-start-postcopy\nkill-destination",
        "migrate tcp nothing\nmigrate-start-postcopy",
    ],
)
def test_illegal_order_is_refused(steps: str) -> None:
    """What has no promise is not walked, nor what would lose the guest."""
    assert not is_legal(parse(steps))


def test_failing_sequence_is_shrunk() -> None:
    """What does not matter is left out, and what is left may still be walked."""
    long = next(s for s in map(drawn, range(1, 200)) if Step(Op.CUT) in s and len(s) > 8)

    short = shrunk(long, lambda steps: Step(Op.CUT) in steps, within=10.0)

    assert [step.op for step in short] in ([Op.MIGRATE, Op.CUT], [Op.MIGRATE_PAUSING, Op.CUT])


@pytest.mark.qemu
def test_guest_that_is_secretly_resumed_is_seen(
    start: Callable[..., tuple[VM, VM]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that does not stop is named by its step."""
    source, _ = start()
    monkeypatch.setattr(VM, "stop", lambda vm: vm.qmp.execute("cont"))

    with pytest.raises(PromiseBroken, match=r"is not still \(at step 2 of 3, stop\)"):
        Walk(source).go([Step(Op.SET_DOWNTIME), Step(Op.STOP), Step(Op.CONT)])
