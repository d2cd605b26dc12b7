# SPDX-License-Identifier: Apache-2.0
"""Faults in what migrations are told to do are seen: multifd, xbzrle, postcopy."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.attempt import Migration
from landfall.errors import GuestSilent
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.postcopy import POSTCOPY, PREEMPT, lives_there, release, switch
from landfall.stage import Stage
from landfall.transport import TCP, UNIX, Live
from landfall.vm import ANSWER, VM

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
HELD = 8 * MiB
"""Bytes/s at which a pass over a small guest takes seconds."""
BUSY = 12288
"""Pages a second that the guest writes: each of its pages three times a second."""


def filtered(name: str, fault: str) -> str:
    """Return the --through command that plants a fault."""
    return shlex.join([sys.executable, str(Path(__file__).parent / "filters" / name), fault])


def switched(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest, and let it go on at the destination when some of it has come."""
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD)
    migration.wait_until_sent(MiB)
    switch(migration)
    return migration


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_harmless_filter_of_what_comes_late_breaks_nothing(
    start: Start, stage: Stage, broken: Broken, transport: Live, features: tuple[Feature, ...]
) -> None:
    """A filter that reads every page of a guest that has gone on, and changes none."""
    stage.features = features
    source, destination = start(through=filtered("postcopy.py", "cat"))

    migration = switched(source, destination, transport)
    assert lives_there(migration)
    release(migration)

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest
    assert broken() == {}


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named)
def test_page_of_another_that_comes_late_is_seen(
    start: Start, stage: Stage, broken: Broken, features: tuple[Feature, ...]
) -> None:
    """A page that the guest waited for, and that holds what another one should."""
    stage.features = features
    source, destination = start(through=filtered("postcopy.py", "exchange"))

    migration = switched(source, destination, TCP)
    release(migration)
    migration.outcome()

    assert "on the destination the memory at" in broken()["memory"]


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named)
def test_page_that_never_comes_is_seen(
    start: Start, stage: Stage, broken: Broken, features: tuple[Feature, ...]
) -> None:
    """A guest that waits for a page in vain falls silent, and that is told."""
    stage.features = features
    source, destination = start(through=filtered("postcopy.py", "withhold"), vcpus=1)
    migration = switched(source, destination, TCP)
    release(migration)

    with pytest.raises(GuestSilent):
        destination.line.wait_for_beats(10 * BUSY, 5)
    print(broken())
