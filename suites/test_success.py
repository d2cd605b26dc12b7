# SPDX-License-Identifier: Apache-2.0
"""Upon success the guest continues to run on the destination.

The promise of the KVM project's Migration page (2009): «The guest continues to run on the
destination host upon success». What is checked beyond the two lines of each scenario is in
the oracles: the guest's memory, clocks and registers, who ran it when, what QEMU said. What a
failure means: a migration that QEMU calls completed has changed the guest, stopped it, or left
it running in two places.
"""

from __future__ import annotations

import pytest

from landfall.migration import carry, migrate
from landfall.transport import (
    EXEC,
    FD,
    FILE,
    LIVE,
    STORED,
    TCP,
    TCP_IPV6,
    UNIX,
    Live,
    Stored,
    Transport,
)
from landfall.vm import VM

AVX = "SandyBridge,-tsc-deadline,-x2apic"
"""A CPU model with AVX, less what TCG lacks (QEMU 7.2 warns of both)."""
SMOKE = [
    pytest.param(TCP, id="tcp", marks=[pytest.mark.smoke, pytest.mark.lab]),
    pytest.param(EXEC, id="exec", marks=pytest.mark.smoke),
    pytest.param(TCP_IPV6, id="tcp-ipv6"),
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
]


@pytest.mark.parametrize("transport", SMOKE)
def test_guest_continues_on_the_destination(source: VM, destination: VM, transport: Live) -> None:
    """The guest continues on the destination as if nothing had happened."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.smoke
@pytest.mark.parametrize("transport", STORED, ids=str)
def test_guest_continues_from_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """A guest that was written to a file continues from it on the destination."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
@pytest.mark.parametrize("transport", LIVE, ids=str)
def test_every_vcpu_continues(source: VM, destination: VM, transport: Live) -> None:
    """Each virtual CPU continues on the destination."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("guest_name", ["pulse-32", "pulse-64"], indirect=True)
@pytest.mark.parametrize("machine_type", ["q35", "pc", "microvm"], indirect=True)
def test_guest_of_either_width_continues_on_every_machine(source: VM, destination: VM) -> None:
    """32-bit and 64-bit guests continue on every machine type."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("cpu", [AVX], ids=["avx"], indirect=True)
@pytest.mark.parametrize("transport", [TCP, FILE], ids=str)
def test_wide_registers_continue(source: VM, destination: VM, transport: Transport) -> None:
    """A guest that uses AVX and RDTSCP finds its registers on the destination."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [8, 128], indirect=True)
def test_guest_of_any_size_continues(source: VM, destination: VM) -> None:
    """A guest continues whether it has little memory or much."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("memory", [1024, 4096], indirect=True)
def test_large_guest_continues(source: VM, destination: VM) -> None:
    """A guest continues with memory on both sides of the 4 GiB boundary."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "times", [pytest.param(4, id="4"), pytest.param(50, id="50", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_goes_there_and_back(source: VM, transport: Live, times: int) -> None:
    """The same guest goes there and back, again and again."""
    here = carry(source, via=transport, times=times)

    assert here.owns_the_guest
