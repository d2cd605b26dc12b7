# SPDX-License-Identifier: Apache-2.0
"""A guest goes to a processor of another maker or generation on what both give, and back.

The KVM project's Migration page (2009) has AMD and Intel hosts take each other's guests: «Intel
and AMD» stand in its table side by side, and the CPU must be the same on both. QEMU's
docs/system/cpu-models-x86.rst.inc: a named model and flags «allow greater flexibility in live
migrating between hosts with differing hardware». What both give is what `./landfall cpu-baseline`
tells; pulse makes system calls by the instruction of the CPU's maker, switches through all modes,
has NX on, reads all clocks; linux keeps AVX in registers, and reads CPUID leaf 13, where the parts
of XSAVE's area are. What only one of two processors has is refused, or taken at the guest's own
risk. A failure means that a guest finds another CPU under it, or lost what it had in one.
"""

from __future__ import annotations

import pytest

from landfall.baseline import Common
from landfall.build import QemuBuild
from landfall.foreign_cpu import (
    ANOTHER_PROCESSOR,
    expect_the_same_rate,
    expect_two_kinds,
    flag_of,
    refused,
)
from landfall.migration import carry, migrate
from landfall.offer import offer
from landfall.pace import tsc_hertz
from landfall.transport import EXEC_FILE, TCP, Transport
from landfall.vm import VM

CALLS = "flip=8"
"""Compatibility mode, and the system calls that are made there."""
EVERYTHING = "flip=1f timers=f"
"""Every mode, and every timer."""
PING_PONG = 2
RATE = 0.05
"""Parts by which a rate that is read from heartbeats may be wrong."""


@pytest.fixture
def append(request: pytest.FixtureRequest, has_sysenter: bool) -> str:  # noqa: FBT001
    """The guest makes system calls, unless narrowed, or where an emulator cannot."""
    modes: str = getattr(request, "param", CALLS)
    return modes if has_sysenter or modes not in (CALLS, EVERYTHING) else ""


on_what_both_give = pytest.mark.parametrize("cpu", ["baseline"], indirect=True)


@pytest.mark.lab
@on_what_both_give
@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_guest_goes_to_another_processor(
    source: VM, destination: VM, transport: Transport
) -> None:
    """On what both give a guest does on the destination all that it did on the source."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    assert destination.owns_the_guest


@on_what_both_give
@pytest.mark.parametrize("append", [EVERYTHING], ids=["everything"], indirect=True)
def test_guest_does_everything_there(source: VM, destination: VM) -> None:
    """In every CPU mode, and by every clock, a guest goes on at the other processor."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


@pytest.mark.lab
@on_what_both_give
def test_guest_goes_there_and_back(source: VM) -> None:
    """On what both give a guest goes to the other processor and back."""
    assert carry(source, via=TCP, times=PING_PONG).owns_the_guest


@on_what_both_give
@pytest.mark.parametrize("guest_name", ["linux-64", "linux-32"], indirect=True)
@pytest.mark.parametrize("append", ["-- spin=fa0"], ids=["spins"], indirect=True)
def test_kernel_finds_its_processor_again(source: VM, destination: VM) -> None:
    """A kernel finds every leaf of CPUID, the layout of XSAVE's area and its registers again."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


@pytest.mark.lab
@on_what_both_give
@pytest.mark.parametrize("side", [0, 1], ids=["source", "destination"])
def test_flag_that_one_host_lacks_is_refused(
    source: VM, builds: tuple[QemuBuild, QemuBuild], both_give: Common, side: int
) -> None:
    """A flag that the other processor has alone is refused by its name, and costs no guest."""
    flag = flag_of(both_give, builds[side])

    assert flag in refused(source, builds[side], source.machine.cpu, flag)
    assert source.owns_the_guest


@pytest.mark.lab
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
@pytest.mark.parametrize("cpu", ["host", "baseline,pmu=on"], ids=["host", "pmu"], indirect=True)
def test_processor_of_one_host_is_no_other(both_give: Common, source: VM, destination: VM) -> None:
    """A CPU that is its host's own, or counts as that does, goes elsewhere at its own risk."""
    expect_two_kinds(both_give)

    offer(source, to=destination, via=TCP, despite=ANOTHER_PROCESSOR).note()


@pytest.mark.lab
@on_what_both_give
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_tsc_counts_at_the_rate_that_it_had(source: VM, destination: VM) -> None:
    """A TSC counts on the destination as fast as on the source, where a host can scale it."""
    before = tsc_hertz(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    expect_the_same_rate(destination)
    assert tsc_hertz(destination) == pytest.approx(before, rel=RATE)
