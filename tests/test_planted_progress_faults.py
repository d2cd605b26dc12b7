# SPDX-License-Identifier: Apache-2.0
"""What QEMU does to converge: each thing that is watched is seen where it is not done."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.capabilities import FEATURES
from landfall.converging import Ladder, await_throttle, free_again
from landfall.errors import PromiseBroken
from landfall.feature import Feature
from landfall.holding import held_back, stays_on_the_source
from landfall.migration import MiB, migrate, start_migration
from landfall.postcopy import POSTCOPY, lives_there, release, switch
from landfall.releasing import gave_back, resident
from landfall.transport import EXEC, TCP
from landfall.vm import VM
from landfall.xbzrle import AMPLE, await_cache, xbzrle

pytestmark = pytest.mark.qemu

MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
BUSY, HELD, NEVER = 12288, 8 * MiB, 0.001
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


def test_stale_page_under_xbzrle_is_seen(start: Start, broken: Broken) -> None:
    """Changes of a page that are lost on the way: the memory oracle says so."""
    source, destination = start(through=f"{MUTATE} stale-delta", memory=8)
    source.stage.features = (xbzrle(AMPLE),)
    source.set_guest(rate=BUSY)

    migration = start_migration(
        source, to=destination, via=EXEC, bandwidth=2 * HELD, downtime=NEVER
    )
    migration.wait_for_pass(2)
    await_cache(migration, encoded=1000)
    source.set_guest(rate=0)
    migration.release()
    migration.outcome()

    assert "was written last" in broken()["memory"]


def test_throttle_beside_its_ladder_is_seen(start: Start) -> None:
    """A guest that is slowed down by more than was asked for: the ladder says so."""
    source, destination = start(memory=8)
    source.stage.features = (Ladder(60, 10, 99).feature,)
    source.set_guest(rate=24576, duty=90)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD, downtime=NEVER)

    with pytest.raises(PromiseBroken, match=r"slowed down by \[60\] %, where 5\+25-to-95"):
        await_throttle(migration, Ladder(5, 25, 95), rungs=1)

    migration.give_up()


def test_guest_that_is_not_let_free_is_seen(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that writes less than it did is said to."""
    source, _destination = start(memory=8)
    monkeypatch.setattr("landfall.converging.RECOVERS", 0.5)

    with pytest.raises(PromiseBroken, match="the guest on the source to write again what it did"):
        free_again(source, usual=1e9)


def test_guest_that_does_not_wait_for_the_answer_is_seen(start: Start, broken: Broken) -> None:
    """A source that was not told to wait for an answer does not: it is seen to stop the guest."""
    source, destination = start(memory=8)
    migration = held_back(source, destination, TCP)

    with pytest.raises(PromiseBroken, match="stopped the guest before the destination's answer"):
        stays_on_the_source(migration)

    assert migration.outcome().status == "completed"
    assert broken() == {}


@pytest.mark.parametrize("told", [(POSTCOPY,), (POSTCOPY, FEATURES["release-ram"])])
def test_memory_that_is_not_given_back_is_seen(start: Start, told: tuple[Feature, ...]) -> None:
    """A source holds what it has sent, unless it was told to give it back."""
    source, destination = start(memory=32)
    source.stage.features = told
    held = resident(source)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD)
    migration.wait_until_sent(MiB)

    switch(migration)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert gave_back(source, held) is (len(told) > 1)


def test_cache_is_that_of_what_was_told(start: Start) -> None:
    """Nothing is counted for a source that was not told to send changes."""
    source, destination = start(memory=8)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=HELD)

    with pytest.raises(PromiseBroken, match="query-migrate tells no xbzrle-cache"):
        await_cache(migration, encoded=1)

    migration.release()
    assert migration.outcome().status == "completed"


def test_nothing_else_is_needed(start: Start, broken: Broken) -> None:
    """A guest that is told all of it at once is moved."""
    source, destination = start(memory=8)
    source.stage.features = (xbzrle(AMPLE), Ladder(5, 25, 95).feature, FEATURES["release-ram"])

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
    assert broken() == {}
