# SPDX-License-Identifier: Apache-2.0
"""Registers and CPUID that a stream or a command line changes are convicted by name."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import pytest

from landfall.guest import Guest
from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import ANSWER, VM

pytestmark = pytest.mark.qemu

ADJUST = shlex.join([sys.executable, "-m", "landfall.mutants.adjust"])
SPINS = "-- spin=1f40"
IN_ITS_SPIN = "RBX=010003"
"""What vCPU 0 has in a register while it spins: guests/linux/agent/canary.c, value()."""
TRIES = 200
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


def stop_in_its_spin(vm: VM) -> None:
    """Stop the guest where the values are in the vCPU and nowhere else."""
    for _ in range(TRIES):
        vm.stop()
        if IN_ITS_SPIN in vm.qmp.human("info registers"):
            return
        vm.cont()
        vm.line.wait_for_beats(1, ANSWER)
    pytest.fail("the guest was never found spinning")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("env.regs --byte 96 --size 8 +1", "register r12 of vCPU 0, while a program used it,"),
        ("env.fpuc +1024", "register fcw of vCPU 0"),
        ("env.fpregs --size 8 +1", "register st"),
        ("env.mxcsr +1", "register mxcsr of vCPU 0"),
        ("env.xmm_regs[0] --byte 16 --size 8 +1", "register xmm1[0] of vCPU 0"),
        ("env.xmm_regs[1] --byte 240 --size 8 +1", "register ymmh15[0] of vCPU 0"),
        ("env.segs --byte 104 --size 8 +4096", "register gs base of vCPU 0"),
    ],
    ids=["general", "x87-control", "x87", "mxcsr", "sse", "avx", "gs-base"],
)
def test_register_that_was_changed_is_seen(
    start: Start, broken: Broken, linux: Guest, change: str, name: str
) -> None:
    """A register that is not what the program left in it convicts, whatever kind it is of."""
    source, destination = start(
        f"{ADJUST} cpu {change}", guest=linux, memory=128, cpu="max", append=SPINS
    )
    stop_in_its_spin(source)

    migrate(source, to=destination, via=TCP)
    destination.cont()
    destination.line.wait_for_beats(3, ANSWER)

    assert name in broken()["cpu"]


def test_registers_that_nobody_changed_break_nothing(
    start: Start, broken: Broken, linux: Guest
) -> None:
    """A guest that is stopped in the midst of its work goes on where it arrives."""
    source, destination = start(guest=linux, memory=128, cpu="max", append=SPINS)
    stop_in_its_spin(source)

    migrate(source, to=destination, via=TCP)
    destination.cont()

    assert broken() == {}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("qemu64,-sse3", "CPUID leaf 0x1 (subleaf 0) of vCPU 0 says"),
        ("qemu64,model-id=another", "CPUID leaf 0x80000002 (subleaf 0) of vCPU 0 says"),
    ],
    ids=["flag", "name"],
)
def test_other_cpu_is_seen(
    start: Start, broken: Broken, linux: Guest, model: str, words: str
) -> None:
    """A destination with another CPU, which QEMU takes without a word, is seen by the guest."""
    source, _ = start(guest=linux, memory=128)
    destination = source.ready_twin(cpu=model)

    migrate(source, to=destination, via=TCP)

    assert words in broken()["cpu"]
