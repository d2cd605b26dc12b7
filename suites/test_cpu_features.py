# SPDX-License-Identifier: Apache-2.0
"""x"""

from __future__ import annotations

import pytest

from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import VM


@pytest.fixture
def append() -> str:
    """x"""
    return "spin=1f40"


@pytest.mark.parametrize("guest_name", ["linux-64", "linux-32"], indirect=True)
@pytest.mark.parametrize("cpu", ["qemu64", "qemu32", "max", "Haswell", "SandyBridge", "EPYC", "Denverton"], indirect=True)
def test_registers(source: VM, destination: VM) -> None:
    """x"""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
