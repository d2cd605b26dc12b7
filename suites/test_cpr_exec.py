# SPDX-License-Identifier: Apache-2.0
"""A QEMU that cannot become another one keeps its guest.

QEMU's document: docs/devel/migration/CPR.rst, «cpr-exec mode»: the guest is stopped, its state
saved, and the process executes `cpr-exec-command`, which is to be a QEMU. What is checked is what
a host meets when that is not to be had: no command, one that is not there, one that may not be
executed. «The guest continues to run on the source host upon failure» (KVM's «Migration», 2009).
A failure means that an update of QEMU that does not come about costs the guest.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from landfall.cpr_exec import CPR_EXEC, NOWHERE, become, refusal_to_become
from landfall.cpr_transfer import HandedMemory
from landfall.device import Device
from landfall.vm import VM

pytestmark = pytest.mark.parametrize("features", [(CPR_EXEC,)], ids=["exec"], indirect=True)


@pytest.fixture
def devices(memory: int) -> tuple[Device, ...]:
    """Memory that can be handed on."""
    return (HandedMemory("memory", memory),)


def test_qemu_that_is_told_no_successor_refuses(source: VM) -> None:
    """Without a command QEMU says that one is missing, and the guest runs on."""
    assert "cpr-exec-command" in refusal_to_become(source)

    assert source.owns_the_guest


@pytest.mark.parametrize("command", [NOWHERE, ("/dev/null",)], ids=["not-there", "no-program"])
def test_guest_outlives_a_command_that_fails(source: VM, command: Sequence[str]) -> None:
    """A guest whose QEMU could not become another one runs on where it was."""
    outcome = become(source, command)

    assert command[0] in outcome.error
    assert source.owns_the_guest


def test_guest_at_rest_outlives_a_command_that_fails(source: VM) -> None:
    """One that stood still stands still, and goes on when it is told to."""
    source.stop()
    assert become(source, NOWHERE).status == "failed"
    assert source.holds_the_guest_still

    source.cont()
    assert source.owns_the_guest
