# SPDX-License-Identifier: Apache-2.0
"""Random sequences: their text, what is legal when, and faults that are named by their step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from landfall.build import QemuBuild
from landfall.errors import HarnessError, PromiseBroken, UsageError
from landfall.sequences import replay
from landfall.sequences.model import check, is_legal
from landfall.sequences.search import Walked, drawn, search, sequences
from landfall.sequences.steps import FEATURES, NOTHING, Op, Step, parse, text
from landfall.sequences.walk import Walk
from landfall.vm import VM

CUT = Step(Op.CUT)


@given(sequences(FEATURES))
def test_sequence_survives_its_text(steps: tuple[Step, ...]) -> None:
    """A sequence that was written is read back as it was."""
    assert parse(text(steps)) == steps


@given(sequences(FEATURES))
def test_what_is_drawn_is_legal(steps: tuple[Step, ...]) -> None:
    """Every sequence that is drawn may be walked, and leaves the guest at rest."""
    check(steps)


@given(sequences([NOTHING]))
def test_what_builds_lack_is_not_drawn(steps: tuple[Step, ...]) -> None:
    """A feature that is not offered is in no sequence."""
    assert {step.feature for step in steps} <= {"", NOTHING}


def test_seed_is_a_sequence() -> None:
    """A seed means the same sequence each time, and another seed another."""
    assert drawn(7, FEATURES) == drawn(7, FEATURES)
    assert len({drawn(seed, FEATURES) for seed in range(1, 51)}) > 45


def test_every_operation_is_drawn() -> None:
    """The first two hundred seeds do everything, with every feature."""
    steps = [step for seed in range(1, 201) for step in drawn(seed, FEATURES)]

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


def broken_by_a_cut(walked: list[tuple[Step, ...]]) -> Walked:
    """Walk nothing: a sequence in which the connection is cut is broken."""

    def walk(steps: tuple[Step, ...]) -> PromiseBroken | None:
        walked.append(steps)
        return PromiseBroken("memory", "cut") if CUT in steps else None

    return walk


def seed_with_a_cut() -> int:
    """Return a seed whose sequence is long, and has its connection cut."""
    return next(n for n in range(1, 500) if CUT in (s := drawn(n, FEATURES)) and len(s) > 8)


def test_failing_sequence_is_made_shorter() -> None:
    """What does not matter is left out, and what is left may still be walked."""
    first: list[tuple[Step, ...]] = []
    others: list[tuple[Step, ...]] = []
    seed = seed_with_a_cut()

    short = search(seed, FEATURES, broken_by_a_cut(first), broken_by_a_cut(others), within=10.0)

    assert first == [drawn(seed, FEATURES)]
    assert [step.op for step in short] in ([Op.MIGRATE, Op.CUT], [Op.MIGRATE_PAUSING, Op.CUT])
    assert len(others) < 200


def test_time_for_a_shorter_one_ends() -> None:
    """When the time is over no further VM is started."""
    others: list[tuple[Step, ...]] = []
    seed = seed_with_a_cut()

    short = search(seed, FEATURES, broken_by_a_cut([]), broken_by_a_cut(others), within=0.0)

    assert short == drawn(seed, FEATURES)
    assert others == []


def test_sequence_that_holds_is_walked_once() -> None:
    """Nothing is tried beside it."""
    walked: list[tuple[Step, ...]] = []
    seed = next(n for n in range(1, 500) if CUT not in drawn(n, FEATURES))

    assert search(seed, FEATURES, broken_by_a_cut(walked), broken_by_a_cut([]), 10.0) == ()
    assert walked == [drawn(seed, FEATURES)]


def test_other_trouble_is_not_made_shorter() -> None:
    """What is no broken promise comes out as it went in, at once."""
    walked: list[tuple[Step, ...]] = []

    def trouble(steps: tuple[Step, ...]) -> PromiseBroken | None:
        walked.append(steps)
        raise HarnessError("no disk")

    with pytest.raises(HarnessError, match="no disk"):
        search(3, FEATURES, trouble, trouble, 10.0)
    assert len(walked) == 1


@pytest.mark.qemu
def test_guest_that_is_secretly_resumed_is_seen(
    start: Callable[..., tuple[VM, VM]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that does not stop is named by its step."""
    source, _ = start()
    monkeypatch.setattr(VM, "stop", lambda vm: vm.qmp.execute("cont"))

    with pytest.raises(PromiseBroken, match=r"is not still \(at step 2 of 3, stop\)"):
        Walk(source).go([Step(Op.SET_DOWNTIME), Step(Op.STOP), Step(Op.CONT)])


@pytest.mark.qemu
def test_broken_sequence_is_told_with_its_shortest_way(
    start: Callable[..., tuple[VM, VM]], build: QemuBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seed that fails is cut, on fresh VMs, to the step that does not do what it says."""
    source, _ = start()
    monkeypatch.setattr(VM, "stop", lambda vm: vm.qmp.execute("cont"))
    monkeypatch.setattr(replay, "SHRINKING", 8.0)
    offered = replay.for_builds([build])
    seed = next(n for n in range(1, 500) if Step(Op.STOP) in drawn(n, offered)[1:3])

    with pytest.raises(PromiseBroken, match=r"is not still .*; the shortest way: (.*; )?stop; "):
        replay.walk(source, seed, [build])

    kept = parse((source.stage.evidence / replay.SHORTEST).read_text())
    assert Step(Op.STOP) in kept
    assert len(kept) < len(drawn(seed, offered))
