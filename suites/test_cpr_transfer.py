# SPDX-License-Identifier: Apache-2.0
"""A guest is handed to a new QEMU on its host with its memory open, and nothing of it is copied.

QEMU's document: docs/devel/migration/CPR.rst, «cpr-transfer mode»: «This mode allows the user to
transfer a guest to a new QEMU instance on the same host with minimal guest pause time, by
preserving guest RAM in place». A failure means that an update of QEMU under a guest costs the
guest.
"""

from __future__ import annotations

import pytest

from landfall.cpr_transfer import (
    CPR_TRANSFER,
    HandedMemory,
    refusal_of_a_transfer,
    transfer,
)
from landfall.device import Device
from landfall.shared_memory import left_memory_where_it_is
from landfall.vm import VM


@pytest.fixture
def is_whole() -> bool:
    """Whether all memory of the source's machine can be handed on; it can unless narrowed."""
    return True


@pytest.fixture
def is_taken_whole() -> bool:
    """Whether the new QEMU expects all memory of its machine; it does unless narrowed."""
    return True


@pytest.fixture
def devices(
    memory: int,
    is_whole: bool,  # noqa: FBT001 - fixtures are asked for by name
    is_taken_whole: bool,  # noqa: FBT001
) -> tuple[Device, ...]:
    """Memory that can be handed on."""
    return (HandedMemory("memory", memory, is_whole, is_taken_whole),)


pytestmark = pytest.mark.parametrize(
    "features", [(CPR_TRANSFER,)], ids=["transfer"], indirect=True
)


@pytest.fixture
def taker(source: VM) -> VM:
    """A twin that has started, and waits for open files before it does anything else."""
    twin = source.twin()
    twin.start()
    return twin


def test_guest_is_handed_over(source: VM, taker: VM) -> None:
    """A guest that runs, and writes, continues in the new QEMU, and its memory is not sent."""
    migration = transfer(source, to=taker)

    assert migration.outcome().status == "completed"
    assert left_memory_where_it_is(migration)
    assert taker.owns_the_guest


def test_guest_at_rest_is_handed_over(source: VM, taker: VM) -> None:
    """A guest that stands still is handed over, stands still there, and goes on when told."""
    source.stop()
    assert transfer(source, to=taker).outcome().status == "completed"
    assert taker.holds_the_guest_still

    taker.cont()
    assert taker.owns_the_guest


def test_guest_outlives_the_qemu_it_was_in(source: VM, taker: VM) -> None:
    """Its memory is still the guest's when the QEMU that made it has ended."""
    assert transfer(source, to=taker).outcome().status == "completed"
    source.quit()

    assert taker.owns_the_guest


@pytest.mark.parametrize(
    ("ways", "because"),
    [(("main",), "cpr"), (("main", "cpr"), "Failed to connect")],
    ids=["no-channel", "nobody-there"],
)
def test_transfer_without_a_taker_is_refused(
    source: VM, ways: tuple[str, ...], because: str
) -> None:
    """Where no new QEMU can be given the open files the guest runs on where it is."""
    assert because in refusal_of_a_transfer(source, *ways)

    assert source.owns_the_guest


@pytest.mark.parametrize("is_whole", [False], ids=["ram-alone"])
def test_memory_that_cannot_be_handed_on_is_named(source: VM) -> None:
    """A machine of whose memory a part cannot be handed on keeps its guest, and QEMU says why."""
    assert "aux-ram-share=on is required" in refusal_of_a_transfer(source, "main", "cpr")

    assert source.owns_the_guest


@pytest.mark.parametrize("is_taken_whole", [False], ids=["ram-alone"])
def test_taker_that_expects_less_is_noted(source: VM, taker: VM) -> None:
    """What becomes of a guest whose taker was started without aux-ram-share no document says."""
    outcome = transfer(source, to=taker).outcome()

    source.stage.note(
        f"a guest whose taker is started without aux-ram-share: {outcome.status}, "
        f"{taker.status}; what the machine has beside RAM is not handed on",
        at_own_risk=True,
    )
