# SPDX-License-Identifier: Apache-2.0
"""A guest is not given a CPU that lacks what it uses: long mode, NX.

The KVM project's Migration page (2009): «Naturally, a 64-bit guest can only be migrated to a
64-bit host, but a 32-bit guest can be migrated at will», and of processors without NX: «To
disable NX for a given guest, start it with such a parameter: -cpu qemu64,-nx». Both speak of
hosts. That QEMU refuses a CPU *model* without them stands nowhere, so what becomes of the guest
is noted; where the flag hides it from the guest on both sides, every promise holds.

A failure means that a guest which never saw a feature missed it, or that an offer that went
wrong cost a guest its life on the source.
"""

from __future__ import annotations

import pytest

from landfall.difference import Difference
from landfall.differences import GAINING, LACKING
from landfall.migration import migrate
from landfall.offer import offer
from landfall.transport import EXEC_FILE, TCP, UNIX, Transport
from landfall.vm import VM

HIDDEN = [
    pytest.param("pulse-64", "qemu64,-nx", id="64-bit-no-nx"),
    pytest.param("pulse-32", "qemu64,-nx", id="32-bit-no-nx"),
    pytest.param("pulse-32", "qemu64,-lm", id="32-bit-no-long-mode"),
    pytest.param("pulse-32", "qemu32", id="32-bit-qemu32"),
]
"""A guest, and a CPU that never showed it what it lacks."""


@pytest.mark.parametrize("guest_name", ["pulse-64", "pulse-32"], indirect=True)
@pytest.mark.parametrize("difference", LACKING, ids=str, indirect=True)
def test_cpu_lacks_what_the_guest_has_seen(
    source: VM, destination: VM, difference: Difference
) -> None:
    """A guest is not given a CPU model without what it uses, or goes there at its own risk."""
    answered = offer(source, to=destination, via=TCP, despite=difference)

    answered.note()


@pytest.mark.parametrize("guest_name", ["pulse-32"], indirect=True)
@pytest.mark.parametrize("difference", GAINING, ids=str, indirect=True)
def test_cpu_has_more_than_the_guest_has_seen(
    source: VM, destination: VM, difference: Difference
) -> None:
    """A 32-bit guest goes to a CPU model with more than it has seen at its own risk."""
    answered = offer(source, to=destination, via=TCP, despite=difference)

    answered.note()


@pytest.mark.parametrize(("guest_name", "cpu"), HIDDEN, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX, EXEC_FILE], ids=str)
def test_hidden_feature_is_not_missed(source: VM, destination: VM, transport: Transport) -> None:
    """A guest from which a flag hides a feature continues where it is hidden as well."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest
