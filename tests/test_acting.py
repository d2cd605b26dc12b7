# SPDX-License-Identifier: Apache-2.0
"""What is done in a scenario is taken down as it is done: when, and what it failed with."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from landfall.acting import acting, acts_of
from landfall.migration import start_migration
from landfall.stage import Stage
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.qemu


def test_acts_are_what_was_done_in_order(start: Callable[..., tuple[VM, VM]]) -> None:
    """Both VMs' starts and the migration are acts, in order, at times of the wall's clock."""
    before = time.time()
    source, destination = start()

    start_migration(source, to=destination, via=TCP).outcome()

    acts = acts_of(source.stage)
    assert [act.name for act in acts] == [
        "start source",
        "start destination",
        "connect to the monitor of source",
        "connect to the monitor of destination",
        "migrate source to destination by tcp: completed",
    ]
    assert before < acts[0].started <= acts[-1].started < time.time()
    assert all(act.seconds > 0 and not act.failed for act in acts)


def test_act_that_failed_says_what_with(stage: Stage) -> None:
    """What an act failed with is taken down, and goes on."""
    with pytest.raises(ValueError, match="no"), acting(stage, "try"):
        raise ValueError("no")

    assert [(act.name, act.failed) for act in acts_of(stage)] == [("try", "no")]


def test_qemu_that_does_not_start_is_an_act_that_failed(
    start: Callable[..., tuple[VM, VM]], stage: Stage
) -> None:
    """Where QEMU refuses its command line, the act in which that was seen has its words."""
    with pytest.raises(Exception, match="no-such-cpu"):
        start(cpu="no-such-cpu")

    failed = [act for act in acts_of(stage) if act.failed]
    assert [act.name for act in failed] == ["connect to the monitor of source"]
    assert "no-such-cpu" in failed[0].failed
