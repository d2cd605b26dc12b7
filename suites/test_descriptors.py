# SPDX-License-Identifier: Apache-2.0
"""A guest goes by what QEMU was handed open, and QEMU keeps none of it.

qapi/misc.json: `getfd` («Receive a file descriptor via SCM rights and assign it a name»), and
docs/devel/migration/main.rst: `fd:` takes a pipe, a socket or a plain file, `file:` a set of
descriptors as well, of which QEMU takes one that was opened as it needs it. A failure means
that a management program which opens files for a confined QEMU loses a guest, or that QEMU
holds its files open for ever.
"""

from __future__ import annotations

import pytest

from landfall.capabilities import FEATURES
from landfall.descriptors import FD_SET, FD_SET_DIRECT, expect_taken, migrate_by_file, returned
from landfall.feature import named
from landfall.heading import headed, leaves_the_header
from landfall.migration import migrate, restore, save
from landfall.transport import FD
from landfall.vm import VM

MAPPED, SEVERAL, DIRECT = (
    FEATURES[name] for name in ("mapped-ram", "mapped-ram-multifd-4", "direct-io")
)


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is by what it goes."""
    return max(16, least_memory)


def test_socket_is_used_up(source: VM, destination: VM) -> None:
    """A socket that both sides were handed is neither side's any more when the guest has gone."""
    assert migrate(source, to=destination, via=FD).status == "completed"

    expect_taken(source, "stream")
    expect_taken(destination, "stream")
    assert destination.owns_the_guest


def test_file_is_used_up(source: VM, destination: VM) -> None:
    """A plain file that QEMU was handed takes a guest, and is used up on both sides."""
    assert migrate_by_file(source, destination).status == "completed"

    expect_taken(source, "state")
    expect_taken(destination, "state")
    assert destination.owns_the_guest


def test_guest_at_rest_goes_into_a_file_that_was_handed_over(source: VM, destination: VM) -> None:
    """A guest that stands still goes into it as well, and stands still behind it."""
    source.stop()
    assert migrate_by_file(source, destination).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "features", [(), (MAPPED,), (SEVERAL,)], ids=lambda told: named(told) or "stream",
    indirect=True,
)  # fmt: skip
def test_file_of_a_set_is_written_behind_its_header(source: VM, destination: VM) -> None:
    """What goes into a file of a set begins where it was told to, and the set is given back."""
    folder = headed(source, FD_SET)
    saved = save(source, via=FD_SET, into=folder)
    assert saved.outcome().status == "completed"
    assert leaves_the_header(source, folder, FD_SET)

    restore(destination, saved)

    assert destination.owns_the_guest
    assert returned(source) == []
    assert returned(destination) == []


@pytest.mark.parametrize(
    "features", [(MAPPED, DIRECT), (SEVERAL, DIRECT)], ids=named, indirect=True
)
def test_set_has_a_descriptor_for_each_purpose(source: VM, destination: VM) -> None:
    """Of two descriptors QEMU takes for pages the one that passes the cache by."""
    saved = save(source, via=FD_SET_DIRECT)
    assert saved.outcome().status == "completed"

    restore(destination, saved)

    assert destination.owns_the_guest
    assert returned(source) == []
    assert returned(destination) == []
