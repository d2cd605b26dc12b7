# SPDX-License-Identifier: Apache-2.0
"""Faults in what migrations are told to do are seen: multifd, xbzrle, postcopy."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.attempt import Migration
from landfall.capabilities import FEATURES
from landfall.errors import GuestSilent, Missing
from landfall.feature import Feature, named
from landfall.migration import MiB, migrate, start_migration
from landfall.multifd import multifd
from landfall.postcopy import POSTCOPY, PREEMPT, lives_there, release, switch
from landfall.stage import Stage
from landfall.tls import TLS
from landfall.transport import TCP, UNIX, Live
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
XBZRLE, LEGACY = FEATURES["xbzrle"], FEATURES["zero-page-legacy"]
HELD = 16 * MiB
"""Bytes/s at which a pass over a small guest takes seconds."""
NEVER_DONE = 0.001
"""A down time aimed at, in seconds: under that cap next to no page."""
HALF, QUIET = 8, 0
ENDLESS, SILENT = 1 << 20, 3.0
"""Heartbeats that nobody waits for, and seconds in which the guest waits for its page."""
BUSY = 12288
"""Pages a second that the guest writes: each of its pages three times a second."""


def filtered(fault: str) -> str:
    """Return the --through command that plants a fault."""
    return shlex.join([sys.executable, "-m", "landfall.mutants", fault])


def switched(source: VM, destination: VM, via: Live) -> Migration:
    """Start to move a guest, and let it go on at the destination when some of it has come."""
    migration = start_migration(source, to=destination, via=via, bandwidth=HELD)
    migration.wait_until_sent(MiB)
    switch(migration)
    return migration


def turn_to_zero(source: VM, destination: VM, via: Live) -> None:
    """Move a guest of whose pages, sent before, half are zero in later passes over its memory."""
    source.set_guest(rate=BUSY, zero=0)
    migration = start_migration(
        source, to=destination, via=via, bandwidth=HELD, downtime=NEVER_DONE
    )
    migration.wait_for_pass(2)
    source.set_guest(zero=HALF)
    migration.wait_for_pass(4)
    source.set_guest(rate=QUIET)  # it is slow to be read, and must end
    migration.release()
    assert migration.outcome().status == "completed"


@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
@pytest.mark.parametrize("features", [(multifd(2),), (LEGACY, multifd(4))], ids=named)
def test_harmless_filter_of_several_connections_breaks_nothing(
    start: Start, stage: Stage, broken: Broken, transport: Live, features: tuple[Feature, ...]
) -> None:
    """A filter that reads every packet, and changes none."""
    stage.features = features
    source, destination = start(through=filtered("multifd-cat"))

    turn_to_zero(source, destination, transport)

    assert broken() == {}


@pytest.mark.parametrize(
    "features", [(multifd(2),), (multifd(4),), (LEGACY, multifd(4))], ids=named
)
def test_lost_word_of_a_zero_page_is_seen(
    start: Start, stage: Stage, broken: Broken, features: tuple[Feature, ...]
) -> None:
    """A page that had data, is zero by now, and of which that was not told."""
    stage.features = features
    source, destination = start(through=filtered("multifd-lost-zero"))

    turn_to_zero(source, destination, TCP)

    assert "where 0000000000000000 was written last" in broken()["memory"]


def test_page_of_another_in_one_connection_of_several_is_seen(
    start: Start, stage: Stage, broken: Broken
) -> None:
    """A page that holds what its neighbour should, in one connection of four."""
    stage.features = (multifd(4),)
    source, destination = start(through=filtered("multifd-misplaced-page"))
    source.set_guest(rate=QUIET)

    migrate(source, to=destination, via=TCP)

    assert "512 words of that page differ" in broken()["memory"]


def test_what_is_encrypted_is_not_filtered(start: Start, stage: Stage) -> None:
    """A filter cannot read several connections that are encrypted, and none is tried."""
    stage.features = (multifd(4), TLS)
    source, destination = start(through=filtered("multifd-cat"))

    with pytest.raises(Missing, match="no filter can read a stream that tls hides"):
        migrate(source, to=destination, via=TCP)


def send_again(source: VM, destination: VM, via: Live) -> None:
    """Move a guest whose pages are sent more than twice: from the third time on as differences."""
    source.set_guest(rate=BUSY, zero=0)
    migration = start_migration(
        source, to=destination, via=via, bandwidth=HELD, downtime=NEVER_DONE
    )
    migration.wait_for_pass(4)
    source.set_guest(rate=QUIET)  # it is slow to be read, and must end
    migration.release()
    assert migration.outcome().status == "completed"


@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_harmless_filter_of_differences_breaks_nothing(
    start: Start, stage: Stage, broken: Broken, transport: Live
) -> None:
    """A filter that reads every page and every difference, and changes none."""
    stage.features = (XBZRLE,)
    source, destination = start(through=filtered("xbzrle-cat"))

    send_again(source, destination, transport)

    assert broken() == {}


@pytest.mark.parametrize("fault", ["xbzrle-empty", "xbzrle-lost"])
def test_stale_page_is_seen(start: Start, stage: Stage, broken: Broken, fault: str) -> None:
    """A page that stays as it was when its last difference is lost, or has nothing in it."""
    stage.features = (XBZRLE,)
    source, destination = start(through=filtered(fault))

    send_again(source, destination, TCP)

    assert "512 words of that page differ" in broken()["memory"]


@pytest.mark.parametrize("features", [(POSTCOPY,), (PREEMPT,)], ids=named)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_harmless_filter_of_what_comes_late_breaks_nothing(
    start: Start, stage: Stage, broken: Broken, transport: Live, features: tuple[Feature, ...]
) -> None:
    """A filter that reads every page of a guest that has gone on, and changes none."""
    stage.features = features
    source, destination = start(through=filtered("postcopy-cat"))

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
    source, destination = start(through=filtered("postcopy-misplaced-page"))

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
    source, destination = start(through=filtered("postcopy-withheld-page"), vcpus=1)
    source.set_guest(rate=BUSY)
    migration = switched(source, destination, TCP)
    release(migration)

    with pytest.raises(GuestSilent):
        destination.line.wait_for_beats(ENDLESS, SILENT)

    said = broken()
    assert "the destination runs, but its guest said nothing after" in said["ownership"]
    assert "before its memory had come, and not all of it came" in said["ownership"]
    assert "postcopy-active with 0 bytes left to send" in said["ownership"]
    assert said["contract"] == "the attempt over tcp never came to rest"
    assert said.keys() == {"ownership", "contract"}
