# SPDX-License-Identifier: Apache-2.0
"""The oracle of the guest's kernel, on histories made up and then damaged."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from landfall.history import History
from landfall.line import Heard
from landfall.oracles import kernel
from landfall.verdict import Verdict
from tests.life import moved, statement, with_destination, with_source

BOOT = "@0 boot guest=linux bits=40 cpus=2 pages=800 features=linux,log tick=989680"


def logged(seq: int, at: float, text: str, level: int = 6) -> Heard:
    """Return a line of the kernel's log."""
    words = f"@{seq:x} kernel level={level:x} at=5f5e100 text={quote(text)}"
    return Heard(statement(words), at)


def life(*there: Heard, here: tuple[Heard, ...] = ()) -> History:
    """Return the history of a guest with a kernel that was moved, and what was logged."""
    source, destination = moved().sides
    mark = Heard(statement("@34 log id=2"), 1.45)
    history = with_source(moved(), heard=(Heard(statement(BOOT), 0.1), *here, *source.heard))
    return with_destination(history, heard=(*destination.heard, *there, mark))


def test_quiet_kernel_is_kept() -> None:
    """A kernel that says nothing of note after the migration has nothing to complain of."""
    finding = kernel.judge(life(logged(0x33, 1.42, "random: crng init done")))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"log_marks_read_after": 1}


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("clocksource: Switched to clocksource hpet", "changed its clock source"),
        ("usb 1-1: reset full-speed USB device number 2 using uhci_hcd", "was reset"),
        ("usb 1-1: USB disconnect, device number 2", "was lost"),
        ("blk_update_request: I/O error, dev sda, sector 8", "input or output failed"),
        ("e1000 0000:00:03.0 eth0: Link is Down", "link went down"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s!", "hung"),
    ],
    ids=["clock", "reset", "disconnect", "disk", "link", "lockup"],
)
def test_complaint_convicts(text: str, called: str) -> None:
    """What tells of a lost or reset device, a clock given up or a hang is broken, at any level."""
    finding = kernel.judge(life(logged(0x33, 1.42, text)))

    assert finding.verdict is Verdict.BROKEN
    assert called in finding.observations[0].text
    assert text in finding.observations[0].text


def test_trust_in_the_tsc_is_no_complaint() -> None:
    """A kernel that has watched the TSC for a while, and takes it, was booting, moved or not."""
    finding = kernel.judge(life(logged(0x33, 1.868, "clocksource: Switched to clocksource tsc")))

    assert finding.verdict is Verdict.KEPT


def test_warning_convicts_by_its_level() -> None:
    """A warning is a complaint whatever it says."""
    finding = kernel.judge(life(logged(0x33, 1.42, "something odd", level=4)))

    assert "the kernel complained" in finding.observations[0].text


def test_old_complaint_is_not_new() -> None:
    """What the kernel complained of before, with other numbers, it may say again."""
    before = logged(1, 0.15, "hpet: lost 3 rtc interrupts", level=4)
    after = logged(0x33, 1.42, "hpet: lost 7 rtc interrupts", level=4)

    assert kernel.judge(life(after, here=(before,))).verdict is Verdict.KEPT


def test_busy_host_is_no_complaint() -> None:
    """A vCPU that had to wait for its turn in an interrupt is the host's load."""
    slow = logged(0x33, 1.42, "hrtimer: interrupt took 58738400 ns", level=4)

    assert kernel.judge(life(slow)).verdict is Verdict.KEPT


def test_log_nobody_reads_is_blind() -> None:
    """A guest whose log was not heard of afterwards has not shown that it is quiet."""
    history = life()
    _source, destination = history.sides
    finding = kernel.judge(with_destination(history, heard=destination.heard[:-1]))

    assert finding.verdict is Verdict.UNABLE


def test_guest_without_a_kernel() -> None:
    """A guest that has no kernel's log to tell is not asked for one."""
    assert kernel.judge(moved()).verdict is Verdict.KEPT


@pytest.mark.parametrize(("at", "verdict"), [(1, Verdict.KEPT), (3, Verdict.BROKEN)], ids=str)
def test_boot_on_the_way_is_no_complaint(at: int, verdict: Verdict) -> None:
    """What a kernel complains of while it boots after a reset is the boot's; later it convicts."""
    words = f"@33 kernel level=4 at={at:x} text=APIC%20calibration%20not%20consistent"
    ready = Heard(statement("@32 ready pages=800 at=2"), 1.41)

    history = replace(life(ready, Heard(statement(words), 1.42)), past=(ready,))

    assert kernel.judge(history).verdict is verdict
