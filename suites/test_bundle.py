# SPDX-License-Identifier: Apache-2.0
"""A guest is saved on one machine, carried to another in a file, and continues there, later.

The promise of the KVM project's Migration page (2009): «save the virtual machine to a file,
restore it». These are the commands `./landfall save` and `./landfall restore`; the oracles judge
the guest's whole life, on both machines. The real-time clock follows the host's: both hosts'
clocks have to be right, to a second. What a failure means: what was carried is not what continues.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall.bundle import pack
from landfall.migration import restore, save
from landfall.transport import EXEC_FILE
from landfall.vm import VM


@pytest.mark.save
def test_guest_is_saved(source: VM, destination: VM, bundle_file: Path) -> None:
    """A guest is saved into a bundle, and what was saved continues when it is tried."""
    saved = save(source, via=EXEC_FILE)
    assert saved.outcome().status == "completed"
    pack(saved, bundle_file)

    restore(destination, saved)
    assert destination.owns_the_guest


@pytest.mark.restore
def test_guest_continues(restored: VM) -> None:
    """A guest continues from its bundle, wherever that was made."""
    assert restored.owns_the_guest
