# SPDX-License-Identifier: Apache-2.0
"""Upon failure to write its file the guest continues on the source.

The promise of the KVM project's Migration page (2009): «The guest continues to run on the
source host upon failure (with one exception)». A guest that is saved needs a place that takes
it; here it is a disk that is full from the first byte, and a folder in which nobody may make a
file. test_failure.py has disks that fill up on the way. What a failure means: an operator who
named a wrong path, or forgot about the quota, has lost a running guest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall.faults.no_room import DENIED, FULL, save_in_vain
from landfall.migration import migrate
from landfall.transport import STORED, TCP, Stored
from landfall.vm import VM

pytestmark = [
    pytest.mark.fault,
    pytest.mark.parametrize("path", [FULL, DENIED], ids=["disk-full", "permission-denied"]),
    pytest.mark.parametrize("transport", STORED, ids=str),
]


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


def test_guest_continues_when_its_file_takes_nothing(
    source: VM, transport: Stored, path: Path
) -> None:
    """A file that cannot be written costs the attempt, and never the guest."""
    save_in_vain(source, path, via=transport)

    assert source.owns_the_guest

    source.verify_memory()
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@pytest.mark.full
def test_stopped_guest_stays_when_its_file_takes_nothing(
    source: VM, transport: Stored, path: Path
) -> None:
    """A stopped guest stays stopped where it is, and can still be moved."""
    source.stop()
    save_in_vain(source, path, via=transport)

    assert source.holds_the_guest_still

    source.be_paused()
    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    fresh.cont()
    assert fresh.owns_the_guest
