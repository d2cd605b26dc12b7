# SPDX-License-Identifier: Apache-2.0
"""What a plan makes of a host that was saved, and of one that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from landfall.lab import description, emulator, running
from landfall.lab.keys import Keys
from landfall.lab.making import Made
from landfall.lab.planning import planned
from tests.test_lab import IMAGE, QEMU

HOSTS = description.chosen("amd,amd2", description.folder())


class Forgetful(emulator.QEMU):
    """An emulator that cannot save what it emulates."""

    saves: ClassVar[bool] = False


def plan(cache: Path, by: emulator.Emulator = QEMU) -> running.Plan:
    """Return the plan for two hosts."""
    made = Made(IMAGE, Keys(cache), (), {"qemu": by})
    return planned(HOSTS, made, 60.0, cache / "inventory.toml", cache)


def test_host_that_was_saved_begins_with_its_state(tmp_path: Path) -> None:
    """A host whose state is there is started from it, the other one boots."""
    Path(plan(tmp_path).machines[0].state).touch()

    first, second = plan(tmp_path).machines

    assert first.argv[-2:] == ("-incoming", f"file:{first.state}")
    assert (first.is_restored, second.is_restored) == (True, False)


def test_host_that_hangs_after_its_state_boots_afresh(tmp_path: Path) -> None:
    """A host that is started again boots, whatever it began with."""
    Path(plan(tmp_path).machines[0].state).touch()

    assert "-incoming" not in plan(tmp_path).machines[0].again


@pytest.mark.parametrize("which", ["image", "emulator"])
def test_state_of_anything_else_is_not_used(tmp_path: Path, which: str) -> None:
    """When the image or the emulator changes, what was saved before is not looked at."""
    before = plan(tmp_path).machines[0].state
    other = emulator.QEMU(QEMU.binary, "11.1.3" if which == "emulator" else QEMU.version)
    image = IMAGE if which == "emulator" else replace(IMAGE, digest="4567")
    made = Made(image, Keys(tmp_path), (), {"qemu": other})

    after = planned(HOSTS, made, 60.0, tmp_path / "inventory.toml", tmp_path).machines[0].state

    assert before != after


def test_what_cannot_be_saved_has_no_state(tmp_path: Path) -> None:
    """An emulator that saves nothing always boots."""
    by = Forgetful(QEMU.binary, QEMU.version)

    assert [machine.state for machine in plan(tmp_path, by).machines] == ["", ""]


def test_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A warden is told all of it."""
    told = plan(tmp_path)

    assert running.Plan.of(told.text) == told
