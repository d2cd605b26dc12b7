# SPDX-License-Identifier: Apache-2.0
"""A guest is moved over vsock, the address family of a host and its guests, as over any other.

QEMU's document: docs/devel/migration/main.rst, «Transports»: «vsock». The guest goes from one QEMU
to another on one host. A failure means that a guest does not come through where TCP brings it.
"""

from __future__ import annotations

import pytest

from landfall.capabilities import FEATURES
from landfall.migration import migrate
from landfall.vm import VM
from landfall.vsock import VSOCK


def test_guest_continues(source: VM, destination: VM) -> None:
    """A guest that runs, and writes, continues on the destination."""
    assert migrate(source, to=destination, via=VSOCK).status == "completed"

    assert destination.owns_the_guest


def test_guest_at_rest_is_moved(source: VM, destination: VM) -> None:
    """One that stands still stands still there, and goes on when it is told to."""
    source.stop()
    assert migrate(source, to=destination, via=VSOCK).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(FEATURES["multifd-4"],)], ids=["multifd-4"], indirect=True)
def test_guest_goes_by_several_connections(source: VM, destination: VM) -> None:
    """A guest whose memory travels by four connections continues."""
    assert migrate(source, to=destination, via=VSOCK).status == "completed"

    assert destination.owns_the_guest
