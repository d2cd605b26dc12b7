# SPDX-License-Identifier: Apache-2.0
"""The oracle of CPUs, on histories made up and then damaged: registers by name, CPUID by leaf."""

from __future__ import annotations

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.oracles import cpu
from landfall.verdict import Verdict
from tests.life import moved, statement, with_destination, with_source

BOOT = "@0 boot guest=linux bits=40 cpus=2 pages=800 features=linux,cpuid tick=989680"
ANSWER = "@34 cpu id=2 looks=5 leaves=72 differing=0 digest=d457e321"


def life(*there: str) -> History:
    """Return the history of a guest that looks at its CPUID, and what it found where it came."""
    source, destination = moved().sides
    history = with_source(moved(), heard=(Heard(statement(BOOT), 0.1), *source.heard))
    heard = (Heard(statement(text), 1.41) for text in there)
    return with_destination(history, heard=(*destination.heard, *heard))


def test_cpu_that_stays_what_it_was_is_kept() -> None:
    """A guest that looked at every leaf and found nothing new has the CPU it had."""
    finding = cpu.judge(life(ANSWER))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned["cpuid_leaves_looked_at_after"] == 0x72


def test_guest_that_did_not_look_is_unable() -> None:
    """A guest that could look at its CPUID, and did not after its move, tells nothing."""
    assert cpu.judge(life()).verdict is Verdict.UNABLE


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "@33 register cpu=1 name=ymmh3[1] found=7 expected=8 during=spin",
            "on the destination register ymmh3[1] of vCPU 1, while a program used it, holds 0x7 "
            "where the guest left 0x8",
        ),
        (
            "@33 register cpu=0 name=mxcsr found=1f80 expected=1fbf during=sleep",
            "register mxcsr of vCPU 0, while its thread slept, holds 0x1f80",
        ),
        (
            "@33 register cpu=0 name=cr4 found=1 expected=2",
            "register cr4 of vCPU 0 holds 0x1 where the guest left 0x2",
        ),
        (
            "@33 cpuid cpu=1 leaf=1 sub=0 name=ecx found=80802000 expected=80802001",
            "CPUID leaf 0x1 (subleaf 0) of vCPU 1 says 0x80802000 in ecx, and said 0x80802001 "
            "before: bits 0x1 changed under the running guest",
        ),
        (
            "@33 cpuinfo cpu=0 name=flags was=pni%20avx text=-",
            "«flags» of processor 0 in /proc/cpuinfo changed: gone is 'pni avx', new is '-'",
        ),
    ],
    ids=["avx", "mxcsr", "pulse", "cpuid", "cpuinfo"],
)
def test_cpu_that_is_another_convicts(said: str, words: str) -> None:
    """A register, a leaf or a line that is not as it was is broken, and told by its name."""
    finding = cpu.judge(life(said, ANSWER))

    assert finding.verdict is Verdict.BROKEN
    assert words in finding.observations[0].text
