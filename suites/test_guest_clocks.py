# SPDX-License-Identifier: Apache-2.0
"""A real kernel's clocks go on: by whatever it counts, in time, and without its watchdog's bark.

The promise of the KVM project's Migration page (2009): «Guest is transparent to the migration»,
and QEMU's docs/devel/migration/main.rst: a device's timers are part of its state. The guest is
Linux, which makes its clocks of one counter, the clock source: TSC, HPET, ACPI PM timer, or
KVM's own. It reads CLOCK_MONOTONIC, _RAW, CLOCK_BOOTTIME and CLOCK_REALTIME in one breath with
the TSC, compares CLOCK_MONOTONIC between vCPUs, and sets a hundred timers a second on each. The
oracle `time` holds every scenario to the table of fixtures/landfall/clocks.py, and `kernel`
hears the clock watchdog, so most of these only say what happens to the guest. A failure means
that a program in the guest saw time go back, jump or run at another speed, that a timer fired
late or never, or that the kernel gave its clock source up.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.clock_source import ACPI_PM, HPET, KVM_CLOCK, TSC, ClockSource
from landfall.device import Device
from landfall.migration import MiB, carry, migrate, restore, save, start_migration
from landfall.pace import count_clocks
from landfall.transport import EXEC_FILE, FILE, TCP, UNIX, Stored
from landfall.vm import VM

LAY = 3.0
"""Seconds that a file lies about: far more than the oracle's slack."""
BASELINE = 25
"""Statements about clocks: two seconds of them."""
LONG_BASELINE = 12 * 60
"""A minute of them."""
ON_TCG = (TSC, HPET, ACPI_PM)


@pytest.fixture
def guest_name(request: pytest.FixtureRequest) -> str:
    """A real kernel, of 64 bits unless narrowed."""
    return getattr(request, "param", "linux-64")


@pytest.fixture
def counting(request: pytest.FixtureRequest) -> ClockSource:
    """What the kernel counts by: the HPET unless narrowed, its own choice on qemu64."""
    return getattr(request, "param", HPET)


@pytest.fixture
def cpu(counting: ClockSource) -> str:
    """A CPU with which the kernel can count by it."""
    return counting.cpu


@pytest.fixture
def append(counting: ClockSource) -> str:
    """The kernel counts by it, and the agent tells of clocks."""
    return f"{counting.words} -- clocks"


@pytest.fixture
def devices(counting: ClockSource) -> tuple[Device, ...]:
    """A guest is ready when it counts by what it shall."""
    return (counting,)


EACH = pytest.mark.parametrize(
    ("counting", "machine_type"),
    [(TSC, "q35"), (HPET, "q35"), (ACPI_PM, "pc")],
    ids=["tsc-q35", "hpet-q35", "acpi_pm-pc"],
    indirect=True,
)
"""Each that a kernel can count by without KVM, on a machine that has it."""


@EACH
def test_clocks_go_on(source: VM, destination: VM) -> None:
    """Time goes on for a kernel that is moved, by whatever it counts."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
@pytest.mark.parametrize("counting", [KVM_CLOCK, TSC], ids=str, indirect=True)
def test_clocks_go_on_under_kvm(source: VM, destination: VM) -> None:
    """Time goes on for a kernel that counts by what KVM offers it."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("counting", [TSC], ids=str, indirect=True)
def test_clocks_keep_their_rate(source: VM, destination: VM) -> None:
    """The kernel's second is as long on the destination as it was on the source."""
    count_clocks(source, BASELINE)

    assert migrate(source, to=destination, via=UNIX).status == "completed"

    count_clocks(destination, BASELINE)


@pytest.mark.full
@EACH
def test_clocks_keep_their_rate_for_long(source: VM, destination: VM) -> None:
    """Over a minute on either side the kernel's clocks drift from nothing."""
    count_clocks(source, LONG_BASELINE)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    count_clocks(destination, LONG_BASELINE)


@pytest.mark.parametrize("counting", [HPET], ids=str, indirect=True)
def test_clocks_stand_still_over_pauses(source: VM, destination: VM) -> None:
    """A kernel that was stopped for a moment, here and on its way, sees no time pass."""
    source.stop()
    assert source.holds_the_guest_still
    source.cont()
    assert source.owns_the_guest
    source.stop()

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.holds_the_guest_still
    destination.cont()

    assert destination.owns_the_guest


@pytest.mark.parametrize("counting", [ACPI_PM], ids=str, indirect=True)
def test_clocks_stand_still_in_a_file(source: VM, destination: VM) -> None:
    """The time that a file lies about does not pass for the kernel in it, and no timer is late."""
    saved = save(source, via=EXEC_FILE)
    assert saved.outcome().status == "completed"

    saved.lies_for(LAY)
    restore(destination, saved)

    assert destination.owns_the_guest


@pytest.mark.parametrize("counting", [TSC], ids=str, indirect=True)
def test_clocks_go_there_and_back(source: VM) -> None:
    """However often a kernel is moved, its clocks do not come apart."""
    here = carry(source, via=TCP, times=2)

    assert here.owns_the_guest


@pytest.mark.parametrize("counting", [HPET], ids=str, indirect=True)
def test_clocks_survive_a_cancelled_migration(source: VM, destination: VM) -> None:
    """The clocks of a kernel take no notice of a migration that is cancelled."""
    migration = start_migration(source, to=destination, via=TCP, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
@pytest.mark.parametrize("counting", ON_TCG, ids=str, indirect=True)
def test_clocks_of_every_vcpu_go_on(source: VM, destination: VM) -> None:
    """Each vCPU's timers fire in time, and no vCPU reads an older time than another."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
@pytest.mark.parametrize("counting", ON_TCG, ids=str, indirect=True)
def test_clocks_go_on_from_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """Clocks that stand still in a file go on from it, whatever the kernel counts by."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("guest_name", ["linux-32"], indirect=True)
@pytest.mark.parametrize("counting", ON_TCG, ids=str, indirect=True)
def test_clocks_of_a_32_bit_kernel_go_on(source: VM, destination: VM) -> None:
    """A 32-bit kernel's clocks go on as well."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.full
@pytest.mark.parametrize("times", [20], ids=str)
@pytest.mark.parametrize("counting", ON_TCG, ids=str, indirect=True)
def test_clocks_go_there_and_back_often(source: VM, times: int) -> None:
    """Twenty moves leave no trace in a kernel's clocks."""
    here = carry(source, via=TCP, times=times)

    assert here.owns_the_guest
