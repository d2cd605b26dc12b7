# SPDX-License-Identifier: Apache-2.0
"""Time goes on: no clock runs backwards, jumps further than it may, or stops firing.

The promise of the KVM project's Migration page (2009): «Guest is transparent to the migration»,
and QEMU's docs/devel/migration/main.rst: a device's timers are part of its state. The guest
drives the PIT, the HPET, the RTC's periodic interrupt and each local APIC's timer, and reads
their counters, and the ACPI PM timer, between two readings of the TSC. What each clock may do
while nobody runs the guest is a table with sources (fixtures/landfall/clocks.py); the oracle
`time` holds every scenario to it, so most of these only say what happens to the guest. A failure
means that a guest's clock went back, two of its clocks came apart, or a timer fell silent.

What exists under KVM only (invtsc, TSC deadline, kvmclock) is *unable* where no KVM runs guests.
"""

from __future__ import annotations

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.device import RealTimeClock
from landfall.migration import MiB, carry, migrate, restore, save, start_migration
from landfall.pace import tsc_hertz
from landfall.qmp import CommandRefused
from landfall.stage import Stage
from landfall.transport import EXEC, EXEC_FILE, FD, FILE, TCP, UNIX, Live, Stored, Transport
from landfall.vm import VM

PIT, HPET, RTC = "timers=1", "timers=2", "timers=4"
ALL = "timers=f"
"""Those three, and the ACPI PM timer's counter (guests/pulse/README.md)."""
NO_HPET = "timers=d"
LAY = 3.0
"""Seconds that a file lies about: more than the oracle's slack for a clock of whole seconds."""
GIVEN = 2_000_000_000
"""Hz."""
TWO_GIGAHERTZ = f"qemu64,tsc-frequency={GIVEN}"
WALL_CLOCK = (RealTimeClock("rtc-host", "host"),)
VM_CLOCK = (RealTimeClock("rtc-vm", "vm"),)
TRANSPORTS = [
    pytest.param(TCP, id="tcp", marks=[pytest.mark.smoke, pytest.mark.lab]),
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
    pytest.param(EXEC, id="exec"),
]


@pytest.fixture
def append(request: pytest.FixtureRequest) -> str:
    """The guest's own command line: it drives every timer unless narrowed."""
    return getattr(request, "param", ALL)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_clocks_go_on(source: VM, destination: VM, transport: Live) -> None:
    """Every clock goes on from where it was, and none has come apart from another."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("machine_type", ["q35", "pc"], indirect=True)
@pytest.mark.parametrize("append", [PIT, HPET, RTC], ids=["pit", "hpet", "rtc"], indirect=True)
def test_timer_keeps_firing(source: VM, destination: VM) -> None:
    """A timer that is driven alone fires on the destination as it did before."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("machine_type", ["microvm"], indirect=True)
@pytest.mark.parametrize("append", [NO_HPET], ids=["no-hpet"], indirect=True)
def test_timers_of_a_small_machine_keep_firing(source: VM, destination: VM) -> None:
    """A machine without HPET and ACPI keeps its PIT and its RTC firing."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("guest_name", ["pulse-32"], indirect=True)
@pytest.mark.parametrize("vcpus", [1, 4], indirect=True)
def test_clocks_of_every_vcpu_go_on(source: VM, destination: VM) -> None:
    """The clocks of a 32-bit guest go on, however many vCPUs read them."""
    outcome = migrate(source, to=destination, via=UNIX)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("append", [f"{ALL} flip=1f"], ids=["every-mode"], indirect=True)
def test_clocks_go_on_in_every_mode(source: VM, destination: VM) -> None:
    """Timers interrupt a guest in whichever CPU mode they find it, and none is lost."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_clocks_survive_a_cancelled_migration(
    source: VM, destination: VM, transport: Live
) -> None:
    """The clocks of the source take no notice of a migration that is cancelled."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    migration.cancel()

    assert migration.outcome().status in CANCELLED
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("transport", [UNIX, FD], ids=str)
def test_clocks_survive_a_killed_destination(source: VM, destination: VM, transport: Live) -> None:
    """The clocks of the source take no notice of a destination that is killed."""
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert source.owns_the_guest


@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
def test_clocks_stand_still_over_pauses(source: VM, destination: VM, transport: Transport) -> None:
    """A clock that stands still while the guest does has not moved over a pause on either side."""
    source.stop()
    assert source.holds_the_guest_still
    source.cont()
    assert source.owns_the_guest
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still
    destination.cont()

    assert destination.owns_the_guest


@pytest.mark.parametrize("devices", [WALL_CLOCK, VM_CLOCK], ids=["rtc-host", "rtc-vm"])
def test_file_that_lay_about_moves_the_wall_clock_alone(source: VM, destination: VM) -> None:
    """After a while in a file a clock shows what its table says: only the wall's has moved on."""
    saved = save(source, via=EXEC_FILE)
    assert saved.outcome().status == "completed"

    saved.lies_for(LAY)
    restore(destination, saved)

    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
def test_clocks_go_on_from_a_file(source: VM, destination: VM, transport: Stored) -> None:
    """Clocks that stand still in a file go on from it."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("times", [4, 50], ids=str)
def test_clocks_go_there_and_back(source: VM, times: int) -> None:
    """However often a guest is moved, its clocks do not come apart."""
    here = carry(source, via=TCP, times=times)

    assert here.owns_the_guest


@pytest.mark.parametrize("cpu", [TWO_GIGAHERTZ], ids=["2-GHz"], indirect=True)
@pytest.mark.parametrize("accel", ["tcg"], indirect=True)
def test_given_tsc_frequency_under_tcg(source: VM, destination: VM, stage: Stage) -> None:
    """A guest that was given a TSC frequency keeps its clocks; what it is given is not written."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    hertz = tsc_hertz(destination)
    # target/i386/cpu.c (10.0) takes tsc-frequency for KVM and CPUID; cpu_get_tsc is the host's.
    stage.note(f"tsc-frequency={GIVEN} was given, the TSC counts {hertz / 1e6:.0f} MHz")


@pytest.mark.parametrize("cpu", [TWO_GIGAHERTZ], ids=["2-GHz"], indirect=True)
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_given_tsc_frequency_holds(source: VM, destination: VM) -> None:
    """A TSC frequency that was given holds on both sides."""
    before = tsc_hertz(source)

    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert before == pytest.approx(GIVEN, rel=0.05)
    assert tsc_hertz(destination) == pytest.approx(GIVEN, rel=0.05)


@pytest.mark.lab
@pytest.mark.parametrize("cpu", ["qemu64,+invtsc"], ids=["invtsc"], indirect=True)
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_invariant_tsc_blocks_migration(source: VM, destination: VM) -> None:
    """A TSC that is promised never to change its rate blocks migration, and QEMU says so."""
    # target/i386/kvm/kvm.c (10.0), kvm_arch_init_vcpu: invtsc_mig_blocker.
    with pytest.raises(CommandRefused, match=r"non-migratable CPU device \(invtsc flag\)"):
        migrate(source, to=destination, via=TCP)

    assert source.owns_the_guest


@pytest.mark.parametrize("cpu", [f"{TWO_GIGAHERTZ},+invtsc"], ids=["invtsc"], indirect=True)
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_invariant_tsc_of_a_given_frequency_migrates(source: VM, destination: VM) -> None:
    """A TSC that keeps its rate migrates where the rate was given."""
    # target/i386/kvm/kvm.c (10.0), kvm_arch_init_vcpu: no blocker with user_tsc_khz.
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


@pytest.mark.parametrize("append", [""], ids=["plain"], indirect=True)
@pytest.mark.parametrize("destination_starts_at_once", [True], ids=["young"], indirect=True)
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_guest_as_young_as_its_destination_goes_on(source: VM, destination: VM) -> None:
    """A guest's TSC goes on also where it runs for less than a second longer than its QEMU."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest


@pytest.mark.parametrize("cpu", ["qemu64,+tsc-deadline", "qemu64,+kvmclock"], indirect=True)
@pytest.mark.parametrize("accel", ["kvm"], indirect=True)
def test_clock_of_kvm_continues(source: VM, destination: VM) -> None:
    """A guest with a clock of KVM's own continues, with its state."""
    assert migrate(source, to=destination, via=TCP).status == "completed"

    assert destination.owns_the_guest
