# SPDX-License-Identifier: Apache-2.0
"""However long it goes on, nothing is used up.

What the other suites see once is done here for as long as `--minutes` says: one QEMU meets the
table of faults again and again, and one guest goes from QEMU to QEMU. The memory, descriptors and
threads that a QEMU needs, and how long the guest was away, are sampled after each round; that
they grow from third to third of a spell is a leak (landfall.drift). «Both QEMU processes end in
order and leave nothing behind» is the promise that descriptors and threads of an ended attempt
break; memory is noted, since no document says how much a QEMU may need. A failure means that a
host that migrates its guests for weeks runs out of something.
"""

from __future__ import annotations

import itertools

import pytest

from landfall.build import QemuBuild
from landfall.faults.attack import attack
from landfall.faults.cell import Owner
from landfall.faults.fault import SOURCE_TOLD_TO_STOP
from landfall.faults.table import cells
from landfall.migration import migrate
from landfall.soak import Curve, Spell, end_others, expect_no_leak
from landfall.transport import TCP, UNIX
from landfall.vm import VM

pytestmark = pytest.mark.soak

PLAIN = [
    (fault, phase, cell)
    for fault, phase, cell in cells(Owner.SOURCE)
    if not fault.devices and fault.via is None and fault is not SOURCE_TOLD_TO_STOP
]
"""What needs no device, and leaves the guest as it was."""


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is what a QEMU needs besides."""
    return max(16, least_memory)


@pytest.mark.fault
def test_source_gives_back_what_an_attempt_took(
    source: VM, builds: tuple[QemuBuild, QemuBuild], spell: Spell
) -> None:
    """A QEMU whose attempts fail, in every way, needs no more after the last than after some."""
    curve = Curve(source.stage, spell)
    for (fault, phase, cell), _ in zip(itertools.cycle(PLAIN), curve.rounds(), strict=False):
        destination = source.ready_twin(build=builds[1])
        migration = attack(source, destination, fault, phase, cell)
        assert migration.outcome().status in cell.statuses
        assert source.owns_the_guest
        end_others(source)
        curve.take(source, "source")

    source.verify_memory()
    expect_no_leak(curve, source.stage.note)


def test_guest_brings_nothing_along(
    source: VM, builds: tuple[QemuBuild, QemuBuild], spell: Spell
) -> None:
    """A QEMU that a guest has come to needs no more the longer the guest has been on its way."""
    curve, here = Curve(source.stage, spell), source
    for number in curve.rounds():
        there = here.ready_twin("hop", build=builds[number % 2])
        assert migrate(here, to=there, via=(TCP, UNIX)[number % 2]).status == "completed"
        there.line.wait_for_beats(2, within=10.0)
        curve.take(here, "source")
        curve.take(there, "destination", came_from=here)
        here = there
        end_others(here)

    here.verify_memory()
    expect_no_leak(curve, here.stage.note)
