# SPDX-License-Identifier: Apache-2.0
"""A real kernel boots with the initramfs made for it, and its console is in the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from landfall import guest
from landfall.errors import Missing
from landfall.guest import Guest
from landfall.host import LocalHost
from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import VM

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.qemu


@pytest.fixture(scope="session")
def linux(host: LocalHost) -> Guest:
    """The guest linux, 64 bits."""
    try:
        return guest.load("linux-64", ROOT / "guests", host)
    except Missing as missing:
        pytest.skip(str(missing))


def features(vm: VM) -> Mapping[str, str]:
    """What the guest's first statement says in words."""
    return vm.line.heard[0].statement.texts


def test_kernel_boots_by_pvh(start: Callable[..., tuple[VM, VM]], linux: Guest) -> None:
    """The kernel boots unpacked, and the consoles of both sides are kept, each its own."""
    source, destination = start(guest=linux, memory=linux.memory, append="loglevel=8 -- rate=40")

    outcome = migrate(source, to=destination, via=TCP)

    assert linux.kernel.name == "vmlinux"
    assert outcome.status == "completed"
    assert features(source)["guest"] == "linux"
    assert "Linux version" in (source.evidence / "console").read_text()
    assert (destination.evidence / "console").exists()
    assert "Linux version" not in (destination.evidence / "console").read_text()


def test_bzimage_boots(start: Callable[..., tuple[VM, VM]], linux: Guest) -> None:
    """A kernel that unpacks itself boots as well, with the same initramfs."""
    packed = replace(linux, kernel=linux.kernel.parent / "vmlinuz")

    source, _destination = start(guest=packed, memory=packed.memory)

    assert features(source)["guest"] == "linux"
