# SPDX-License-Identifier: Apache-2.0
"""What grows is told from what is needed once, in made-up curves and in real QEMUs."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.drift import drift
from landfall.errors import PromiseBroken
from landfall.soak import FILE_NAME, Curve, Sample, Spell, expect_no_leak, judge, spells
from landfall.vm import VM
from tests.command import qualify

MIB = float(1 << 20)
ROUNDS = 24
SPELL = Spell(1, 1, 0.0)


def curve(shape: Callable[[int], float], seed: int = 0) -> list[float]:
    """Return a curve of a shape, in MiB of 40, with a noise of 200 KiB."""
    chance = random.Random(seed)
    return [(40 + shape(n) + chance.gauss(0, 0.2)) * MIB for n in range(60)]


def grows(values: list[float]) -> bool:
    """Whether a curve is found to grow by a MiB."""
    found = drift(values, MIB)
    assert found is not None
    return found.grows


def test_leak_is_seen() -> None:
    """What rises all the time is called growth, each of thirty times."""
    assert all(grows(curve(lambda n: n / 20, seed)) for seed in range(30))


@pytest.mark.parametrize(
    "shape",
    [
        lambda _n: 0.0,
        lambda n: min(n, 10) / 2,
        lambda n: 8.0 if n % 7 == 0 else 0.0,
        lambda n: 3 - n / 20,
        lambda n: n / 1000,
        lambda n: 5.0 if n > 50 else 0.0,
    ],
    ids=["flat", "plateau", "spikes", "falls", "too little", "a last step"],
)
def test_what_is_no_leak_is_not_called(shape: Callable[[int], float]) -> None:
    """A plateau, spikes, a single step: none is growth, in any of thirty curves of each."""
    assert not any(grows(curve(shape, seed)) for seed in range(30))


def test_too_few_samples_tell_nothing() -> None:
    """Of eleven samples nothing is said."""
    assert drift([1.0] * 11, 1.0) is None


def sample(number: int, memory: int = 0, descriptors: int = 12) -> Sample:
    """Return a sample of a QEMU that needs more by the round."""
    return Sample(number, "source", number * memory, 0, 0, number * descriptors, 5)


def test_everything_sampled_is_judged() -> None:
    """Memory, descriptors and threads are judged each by its own measure, a side at a time."""
    found = judge([sample(n, memory=1 << 18) for n in range(ROUNDS)])

    assert {name: one.grows for name, one in found.items()} == {
        "source's memory": True,
        "source's descriptors": True,
        "source's threads": False,
    }


@pytest.mark.parametrize(("minutes", "count"), [(0.5, 1), (10, 1), (11, 2), (60, 6)])
def test_time_is_spent_in_spells(minutes: float, count: int) -> None:
    """Spells of at most five minutes, of two kinds, take the whole time together."""
    found = spells(minutes)

    assert len(found) == count
    assert 2 * sum(spell.seconds for spell in found) == pytest.approx(60 * minutes)
    assert str(found[0]) == f"spell-1-of-{count}"


# -- real QEMUs ---------------------------------------------------------------


@pytest.fixture
def lone(start: Callable[..., tuple[VM, VM]]) -> VM:
    """A QEMU with a guest."""
    return start()[0]


def sampled(vm: VM, each_round: Callable[[int], object]) -> Curve:
    """Return the curve of a QEMU to which something is done each round."""
    found = Curve(vm.stage, SPELL)
    for number in range(ROUNDS):
        each_round(number)
        found.take(vm, "source")
    return found


@pytest.mark.qemu
def test_planted_leak_of_descriptors_breaks_a_promise(lone: VM) -> None:
    """A QEMU that has one descriptor more each round is convicted, and the curve is kept."""
    with Path(os.devnull).open() as null:
        found = sampled(lone, lambda number: lone.qmp.add(null.fileno(), number))

    with pytest.raises(PromiseBroken, match="host: QEMU gives nothing back: the source's desc"):
        expect_no_leak(found, lone.stage.note)
    kept = json.loads((lone.stage.evidence / FILE_NAME).read_text())
    assert len(kept["samples"]) == ROUNDS
    assert kept["drifts"]["source's descriptors"]["grows"]


@pytest.mark.qemu
def test_planted_leak_of_memory_is_noted(lone: VM) -> None:
    """A QEMU that needs a MiB more each round is noted, with the medians."""

    def grow(number: int) -> None:
        size = {"size": 1 << 20, "prealloc": True}
        lone.make("memory-backend-ram", f"leak{number}", size)

    expect_no_leak(sampled(lone, grow), lone.stage.note)

    (note,) = lone.stage.notes
    assert note.startswith("QEMU under soak: the source's memory grew, ")


@pytest.mark.qemu
def test_qemu_that_is_left_alone_is_not_accused(lone: VM) -> None:
    """A QEMU to which nothing is done grows by nothing."""
    expect_no_leak(sampled(lone, lambda _number: lone.line.wait_for_beats(1, 5.0)), pytest.fail)


@pytest.mark.qemu
def test_short_soak_is_kept() -> None:
    """Half a minute of both kinds is kept, and leaves a curve of each."""
    with qualify("--minutes", "0.5", profile="soak") as run:
        ended = run.ended()
        curves = [json.loads(path.read_text()) for path in run.results.rglob(FILE_NAME)]

    assert ended.status == 0, ended.output
    assert set(ended.verdicts.values()) == {"kept"}
    assert {s["side"] for one in curves for s in one["samples"]} == {"source", "destination"}
    assert all(len(one["samples"]) >= 2 for one in curves)
    assert len(curves) == 2
