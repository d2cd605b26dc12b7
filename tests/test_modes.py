# SPDX-License-Identifier: Apache-2.0
"""The modes of a CPU: told from its registers, and judged by what the guest says of them."""

from __future__ import annotations

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.mode import Mode, mode_of
from landfall.oracles import modes
from landfall.verdict import Finding, Verdict
from tests import life

DUMP = """\
EIP=000005bc EFL={efl} [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1
ES =0030 0000a100 0000ffff 00009300 DPL=0 DS16 [-WA]
CS =0020 00009000 0000ffff {cs} DPL=0 CS16 [-RA]
CR0={cr0} CR2=d5a88764 CR3=00114000 CR4=00000620
EFER={efer}
"""
REAL_CR0, PROTECTED_CR0, PAGED_CR0 = "00010032", "00010033", "80010033"
LEGACY, LONG = "0000000000000900", "0000000000000d00"
CODE_16, CODE_64 = "00009b00", "00af9b00"
FLAGS, FLAGS_V86 = "00000202", "00023202"
COMPLAINT = "@34 mode cpu=1 name=real text=near found=a10 expected=9969c42"
EXCEPTION = "@34 mode cpu=0 name=v86 text=exception found=d expected=5c5"
SELECTOR = "@34 mode cpu=0 name=compat text=fs found=0 expected=10"


@pytest.mark.parametrize(
    ("cr0", "efl", "efer", "cs", "mode"),
    [
        (REAL_CR0, FLAGS, LEGACY, CODE_16, Mode.REAL),
        (PROTECTED_CR0, FLAGS, LEGACY, CODE_16, Mode.PROTECTED),
        (PAGED_CR0, FLAGS, LEGACY, CODE_16, Mode.PAGED),
        (PROTECTED_CR0, FLAGS_V86, LEGACY, CODE_16, Mode.V86),
        (PAGED_CR0, FLAGS, LONG, CODE_16, Mode.COMPATIBLE),
        (PAGED_CR0, FLAGS, LONG, CODE_64, Mode.LONG),
    ],
)
def test_mode_is_told_from_registers(cr0: str, efl: str, efer: str, cs: str, mode: Mode) -> None:
    """Each mode shows in CR0, EFLAGS, EFER and the code segment."""
    assert mode_of(DUMP.format(cr0=cr0, efl=efl, efer=efer, cs=cs)) is mode


def test_other_text_has_no_mode() -> None:
    """What is no dump of registers is refused, and said."""
    with pytest.raises(ValueError, match="no cr0 in"):
        mode_of("unknown command: 'info registers'")


def test_each_mode_has_its_bit() -> None:
    """The bits are those of the guest's `flip=`; a guest has one mode of its own."""
    assert [mode.bit for mode in Mode] == [1, 2, 4, 8, 16, 16]


def switching(*after: str, said: str = "") -> History:
    """A healthy history of a guest that switches, and what it says of it afterwards."""
    moved = life.moved()
    first = Heard(life.statement("@28 modes flip=1f real=3 prot=3 v86=3 compat=3 long=3"), 0.9)
    later = [Heard(life.statement(f"@{0x34 + n:x} {text}"), 1.5) for n, text in enumerate(after)]
    later += [Heard(life.statement(said), 1.6)] if said else []
    history = life.with_source(moved, heard=(*moved.sides[0].heard, first))
    return life.with_destination(history, heard=(*moved.sides[1].heard, *later))


def told(finding: Finding) -> str:
    """Everything that a finding says."""
    return " | ".join(observation.text for observation in finding.observations)


EARLY = "modes flip=1f real=4 prot=4 v86=4 compat=3 long=3 checks=9 bad=0"
LATE = "modes flip=1f real=9 prot=9 v86=9 compat=9 long=9 checks=99 bad=0"


def test_guest_that_does_not_switch_is_not_judged() -> None:
    """The promise does not apply to a guest that says nothing of modes; the finding says so."""
    finding = modes.judge(life.moved())

    assert finding.verdict is Verdict.KEPT
    assert finding.reason == "the guest does not switch between CPU modes"


def test_guest_that_goes_on_switching_keeps_it() -> None:
    """Visits to every mode after the arrival earn it."""
    finding = modes.judge(switching(EARLY, LATE))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned["visits_to_v86_after"] == 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (COMPLAINT, "vCPU 1, in real mode, read 0xa10 through segment ES"),
        (EXCEPTION, "vCPU 0, in virtual-8086 mode, took exception 13 at 0x5c5"),
        (SELECTOR, "vCPU 0, in compatibility mode, read 0x0 in fs where 0x10 should be"),
    ],
)
def test_what_the_guest_finds_wrong_in_a_mode_convicts(line: str, words: str) -> None:
    """A guest's complaint is told with the mode, what was read, and what should be there."""
    finding = modes.judge(switching(EARLY, LATE, said=line))

    assert finding.verdict is Verdict.BROKEN
    assert f"on the destination {words}" in told(finding)


def test_mode_that_the_guest_never_comes_back_from_convicts() -> None:
    """A mode that is not left any more, while the others are, is named."""
    finding = modes.judge(switching(EARLY, LATE.replace("v86=9", "v86=4")))

    assert finding.verdict is Verdict.BROKEN
    assert "never came back from virtual-8086 mode" in told(finding)


def test_mode_that_the_guest_is_not_to_visit_is_not_waited_for() -> None:
    """A guest that was told to visit one mode only is judged by that one."""
    early, late = (f"modes flip=1 real={n} prot=3 v86=3 compat=3 long=3" for n in (4, 9))

    assert modes.judge(switching(early, late)).verdict is Verdict.KEPT


@pytest.mark.parametrize("after", [(), (EARLY,)], ids=["none", "one"])
def test_too_few_words_afterwards_are_no_evidence(after: tuple[str, ...]) -> None:
    """Without two reports after the arrival nothing was seen, and that is not `kept`."""
    assert modes.judge(switching(*after)).verdict is Verdict.UNABLE


@pytest.mark.parametrize(("calls", "verdict"), [("8", Verdict.UNABLE), ("a", Verdict.KEPT)])
def test_system_calls_are_seen_to_go_on(calls: str, verdict: Verdict) -> None:
    """A guest that made system calls, and none since it was moved, has not shown that it can."""
    finding = modes.judge(switching(f"{EARLY} fast=8", f"{LATE} fast={calls}"))

    assert finding.verdict is verdict
