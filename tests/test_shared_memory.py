# SPDX-License-Identifier: Apache-2.0
"""Memory that two processes map: what is sent all the same is seen, and so is another's write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.migration import migrate, start_migration
from landfall.shared_memory import IGNORE_SHARED, RamFile, left_memory_where_it_is
from landfall.stage import Stage
from landfall.transport import UNIX
from landfall.vm import VM

pytestmark = pytest.mark.qemu

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
PAGE = 4096
SPOILED = 0x8B8000
"""An address that the guest writes to, and checks."""


@pytest.fixture
def ram(stage: Stage) -> Path:
    """A file for a guest's memory."""
    return stage.host.folder("ram") / "ram"


def test_memory_that_is_sent_is_seen(start: Start, ram: Path) -> None:
    """Without the capability a shared memory is sent like any other."""
    source, destination = start(devices=(RamFile("ram-file", ram, 16),))
    migration = start_migration(source, to=destination, via=UNIX)

    assert migration.outcome().status == "completed"
    assert not left_memory_where_it_is(migration)


def test_memory_that_somebody_else_wrote_is_seen(
    start: Start, broken: Broken, stage: Stage, ram: Path
) -> None:
    """A page that changed in the file while the guest was handed over is the memory oracle's."""
    stage.features = (IGNORE_SHARED,)
    source, destination = start(devices=(RamFile("ram-file", ram, 16),))
    source.stop()
    with ram.open("r+b") as file:
        file.seek(SPOILED)
        file.write(bytes(PAGE))

    migrate(source, to=destination, via=UNIX)
    destination.cont()

    assert destination.owns_the_guest
    assert "memory" in broken()
