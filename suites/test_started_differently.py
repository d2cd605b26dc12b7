# SPDX-License-Identifier: Apache-2.0
"""A destination that was started differently refuses the guest, and the source has it still.

The requirement of the KVM project's Migration page (2009): «the guest on the destination must
be started the same way it was started on the source». QEMU's document «Backwards compatibility»
says it of the machine type and of the hardware; the rule of each difference has its source in
`landfall.differences`. What no document speaks of is noted, with what became of the guest.

A failure means that a difference which QEMU checks went through, was refused in other words
than its own, or cost the guest its life on the source.
"""

from __future__ import annotations

import pytest

from landfall.difference import Difference
from landfall.differences import ACCEPTED, REFUSED, REFUSED_FROM_A_FILE, UNDOCUMENTED
from landfall.migration import migrate
from landfall.offer import another, offer
from landfall.transport import STORED, TCP, UNIX, Live, Stored
from landfall.vm import VM


@pytest.mark.parametrize("difference", REFUSED, ids=str, indirect=True)
def test_difference_is_refused(source: VM, destination: VM, difference: Difference) -> None:
    """A destination that was started differently refuses and says why; one started alike takes."""
    refused = offer(source, to=destination, via=TCP, despite=difference)

    refused.expect_the_rule()
    assert source.owns_the_guest

    alike = another(destination)
    assert migrate(source, to=alike, via=TCP).status == "completed"
    assert alike.owns_the_guest


@pytest.mark.parametrize("difference", REFUSED_FROM_A_FILE, ids=str, indirect=True)
@pytest.mark.parametrize("transport", STORED, ids=str)
def test_difference_is_refused_from_a_file(
    source: VM, destination: VM, difference: Difference, transport: Stored
) -> None:
    """A guest whose file was refused goes on where it was saved, when it is told to."""
    refused = offer(source, to=destination, via=transport, despite=difference)

    refused.expect_the_rule()
    source.cont()

    assert source.owns_the_guest


@pytest.mark.parametrize("difference", ACCEPTED, ids=str, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_difference_does_not_matter(
    source: VM, destination: VM, difference: Difference, transport: Live
) -> None:
    """A guest continues on a destination that differs only where it may."""
    taken = offer(source, to=destination, via=transport, despite=difference)

    taken.expect_the_rule()
    assert destination.owns_the_guest


@pytest.mark.parametrize("difference", UNDOCUMENTED, ids=str, indirect=True)
def test_difference_that_no_document_speaks_of(
    source: VM, destination: VM, difference: Difference
) -> None:
    """What no document speaks of is refused in order, or taken at the guest's own risk."""
    answered = offer(source, to=destination, via=TCP, despite=difference)

    answered.note()
