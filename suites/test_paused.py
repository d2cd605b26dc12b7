# SPDX-License-Identifier: Apache-2.0
"""A stopped guest stays stopped.

The promise of the KVM project's Migration page (2009): migration works for paused guests,
and they arrive paused. While neither side runs, both RAMs are compared byte for byte.
"""

from __future__ import annotations

import pytest

from landfall.migration import migrate
from landfall.transport import EXEC, EXEC_FILE, FD, FILE, TCP, UNIX, Transport
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(TCP, id="tcp", marks=pytest.mark.smoke),
    pytest.param(EXEC_FILE, id="exec-file", marks=pytest.mark.smoke),
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
    pytest.param(EXEC, id="exec"),
    pytest.param(FILE, id="file"),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_stopped_guest_arrives_stopped(source: VM, destination: VM, transport: Transport) -> None:
    """A stopped guest arrives stopped, and continues when it is told to."""
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("destination_starts_stopped", [True], ids=["dash-S"], indirect=True)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_destination_told_to_wait_waits(source: VM, destination: VM, transport: Transport) -> None:
    """A running guest waits on a destination that was started with -S, its memory as it was."""
    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest
