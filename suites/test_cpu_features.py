# SPDX-License-Identifier: Apache-2.0
"""A program keeps its registers, and its CPU stays the CPU it was.

The KVM project's Migration page (2009): a 64-bit guest goes to a 64-bit host, «but a 32-bit guest
can be migrated at will», and a guest whose CPU lacks a feature there is to be started without it.
What QEMU sends of a vCPU is in target/i386/machine.c; CPUID is not sent: it is what -cpu says on
each side (docs/system/cpu-models-x86.rst.inc: the same model, for a guest that is to be moved).

A real kernel runs programs that hold a value in every register there is: general-purpose, x87 and
MMX with their control and status words, SSE and MXCSR, AVX and whatever else XCR0 has on, the
bases of FS and GS. While they sleep the kernel keeps the values in memory; while they spin these
are in the vCPU and nowhere else, which is where most of the moves here find them. Every leaf of
CPUID is read on every vCPU before and after, and so is /proc/cpuinfo.

A failure means that a program's numbers changed under its hands without a trace: wrong results of
arithmetic, wrong checksums and keys, a program that crashes for no reason of its own; or that a
program which had asked the CPU what it can do uses an instruction that is no longer there.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.migration import MiB, carry, migrate, start_migration
from landfall.transport import EXEC_FILE, TCP, UNIX
from landfall.vm import VM

SPINS = "-- spin=fa0"
"""4 ms of the 10 of every tick."""
SPINS_A_LITTLE = "-- spin=3e8"
"""1 ms of them: many vCPUs have to share the host's."""
WITH_AVX = ["max", "Haswell", "SandyBridge"]
"""Models whose AVX QEMU's own emulation has as well, since 7.2."""
OTHERS = ["EPYC", "Denverton", "Nehalem", "kvm64"]


@pytest.fixture
def guest_name(request: pytest.FixtureRequest) -> str:
    """A guest with an operating system; 64 bits unless narrowed."""
    return getattr(request, "param", "linux-64")


@pytest.fixture
def append(request: pytest.FixtureRequest) -> str:
    """Programs that use their registers much of the time."""
    return getattr(request, "param", SPINS)


@pytest.mark.parametrize(
    "cpu",
    [
        "qemu64",
        *WITH_AVX[:2],
        *(pytest.param(model, marks=pytest.mark.full) for model in (WITH_AVX[2], *OTHERS)),
    ],
    indirect=True,
)
def test_registers_go_with_the_guest(source: VM, destination: VM) -> None:
    """A program that is moved in the midst of its work has every register as it left it."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "cpu",
    [
        "qemu32",
        "max",
        pytest.param("qemu64", marks=pytest.mark.full),
        pytest.param("SandyBridge", marks=pytest.mark.full),
    ],
    indirect=True,
)
@pytest.mark.parametrize("guest_name", ["linux-32"], indirect=True)
def test_32_bit_guest_is_moved_at_will(source: VM, destination: VM) -> None:
    """A 32-bit operating system is moved live, on a CPU without long mode and on one with it."""
    assert migrate(source, to=destination, via=UNIX).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("cpu", ["max"], indirect=True)
def test_registers_stay_with_a_guest_that_stays(source: VM, destination: VM) -> None:
    """A program whose move is cancelled has every register as it left it, where it was."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["qemu64", "max"], indirect=True)
@pytest.mark.parametrize(
    ("vcpus", "append"),
    [pytest.param(1, SPINS, id="1"), pytest.param(4, SPINS_A_LITTLE, id="4")],
    indirect=True,
)
def test_registers_of_every_vcpu_go_with_the_guest(source: VM, destination: VM) -> None:
    """No vCPU is given another's registers, however many there are."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["max", "Haswell"], indirect=True)
def test_registers_go_there_and_back(source: VM) -> None:
    """A program that goes there and back again has every register as it left it."""
    here = carry(source, via=TCP, times=4)

    assert here.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["max", "Haswell"], indirect=True)
def test_registers_wait_in_a_file(source: VM, destination: VM) -> None:
    """A program that is saved to a file has every register as it left it."""
    assert migrate(source, to=destination, via=EXEC_FILE).status == "completed"
    assert destination.owns_the_guest
