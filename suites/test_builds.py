# SPDX-License-Identifier: Apache-2.0
"""What two builds both have goes from one to the other; what only one knows the other refuses.

QEMU's document: docs/devel/migration/compatibility.rst: a machine type's version keeps what its
devices write as it was, and capabilities and parameters are the user's to set alike on both sides.
Where one side does not know one it must say so when it is told of it, and neither keep it nor
stumble over it later. Of one build there is little to ask: the scenarios are for two (`--matrix`,
or `--src-qemu` and `--dst-qemu`). A failure means that an upgrade in a cluster of mixed versions
goes wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from landfall.errors import Missing
from landfall.migration import migrate
from landfall.models import ON_ISA, SETS, Models
from landfall.refusal import refusal
from landfall.transport import TCP
from landfall.vm import VM

pytestmark = pytest.mark.matrix


def expect_a_difference(known: Mapping[VM, Collection[str]]) -> None:
    """Raise Missing where both sides know the same."""
    one, other = known.values()
    if {*one} == {*other}:
        raise Missing(f"both sides know the same: {', '.join(str(vm.build) for vm in known)}")


def test_capability_that_one_side_lacks_is_refused(source: VM, destination: VM) -> None:
    """Each capability that one side does not know is refused there, by its name."""
    known = {vm: vm.build.capabilities for vm in (source, destination)}
    expect_a_difference(known)
    for vm, other in ((source, destination), (destination, source)):
        for name in sorted(known[other] - known[vm]):
            wanted = [{"capability": name, "state": True}]
            said = refusal(vm, "migrate-set-capabilities", {"capabilities": wanted})
            assert name in said, f"the {vm} says of {name}: {said}"

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_parameter_that_one_side_lacks_is_refused(source: VM, destination: VM) -> None:
    """Each migration parameter that one side does not know is refused there, by its name."""
    known = {
        vm: {told.partition("=")[0] for told in vm.build.parameters}
        for vm in (source, destination)
    }
    expect_a_difference(known)
    for vm, other in ((source, destination), (destination, source)):
        for name in sorted(known[other] - known[vm]):
            said = refusal(vm, "migrate-set-parameters", {name: 0})
            assert name in said, f"the {vm} says of {name}: {said}"

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def with_each(sets: tuple[Models, ...]) -> pytest.MarkDecorator:
    """Give both sides each of some sets of devices."""
    each = [pytest.param((models,), id=models.name) for models in sets]
    return pytest.mark.parametrize("devices", each, indirect=True)


def moved(source: VM, destination: VM) -> bool:
    """Move a guest; fail with the destination's words where it cannot load what was written."""
    outcome = migrate(source, to=destination, via=TCP)
    said = [line for line in destination.stderr.splitlines() if "warning" not in line]
    assert outcome.status == "completed", f"the destination says: {said[0] if said else 'nothing'}"
    return True


@with_each(SETS)
def test_devices_go_with_the_guest(source: VM, destination: VM) -> None:
    """The state of devices that both builds have is written by one and read by the other."""
    assert moved(source, destination)
    assert destination.owns_the_guest


@pytest.mark.parametrize("machine_type", ["pc"], indirect=True)
@with_each(ON_ISA)
def test_displays_on_isa_go_with_the_guest(source: VM, destination: VM) -> None:
    """So is that of a display on the ISA bus."""
    assert moved(source, destination)
    assert destination.owns_the_guest
