# SPDX-License-Identifier: Apache-2.0
"""A guest that has its hands full is moved as an idle one is.

The promise of the KVM project's Migration page (2009): «Guest is transparent to the migration»,
whatever it does meanwhile. The guest is Linux with threads that rewrite memory, reckon, and send
blocks through sockets and files; each knows what must come out and checks it, every time. Whether
such a guest converges is decided by the bandwidth that it is given, never by luck: it is held
down, and the down time with it, until memory was passed over again and again under a load that
its own counters show to be at work. Then it is let go. The oracle `load` watches the work,
`memory` the pages, `time` the kernel's clocks. A failure means that a busy guest lost memory or
registers, came to stand still, or saw its clocks suffer, where an idle one does not.
"""

from __future__ import annotations

import pytest

from landfall.clock_source import ACPI_PM, HPET, TSC, ClockSource
from landfall.device import Device
from landfall.load import Load
from landfall.loading import auto_converge, pass_over_again, put_under, throttled, works_on
from landfall.migration import MiB, carry, restore, save, start_migration
from landfall.transport import EXEC, EXEC_FILE, FILE, TCP, UNIX, Live, Stored
from landfall.vm import VM

MEMORY, CPU, IO = Load(memory=2), Load(cpu=3), Load(io=2)
ALL = Load(memory=1, cpu=2, io=1)
FIRST_PASS = 64 * MiB
"""Bytes/s: a first pass of about a second."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
BUSY = 24576
"""Pages a second that the guest's own memory is written with, besides any load."""
OVER_AGAIN = 3
"""Passes over memory after the first, under load."""
HALF = 50
"""Percent."""


@pytest.fixture
def guest_name() -> str:
    """A real kernel."""
    return "linux-64"


@pytest.fixture
def counting(request: pytest.FixtureRequest) -> ClockSource:
    """What the kernel counts by."""
    return getattr(request, "param", HPET)


@pytest.fixture
def cpu(counting: ClockSource) -> str:
    """A CPU with which the kernel can count by it."""
    return counting.cpu


@pytest.fixture
def append(counting: ClockSource) -> str:
    """The agent tells of clocks: they must bear the load as well."""
    return f"{counting.words} -- clocks"


@pytest.fixture
def devices(counting: ClockSource) -> tuple[Device, ...]:
    """A guest is ready when it counts by what it shall."""
    return (counting,)


@pytest.mark.parametrize("load", [MEMORY, CPU, IO, ALL], ids=str)
def test_busy_guest_works_on(source: VM, destination: VM, load: Load) -> None:
    """Memory, CPUs and input and output that are busy are so on the destination, and right."""
    source.set_guest(rate=BUSY)
    put_under(source, load)

    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=FIRST_PASS, downtime=NEVER
    )
    pass_over_again(migration, load, OVER_AGAIN)
    migration.release()

    assert migration.outcome().passes > OVER_AGAIN
    works_on(destination, load)


def test_guest_that_is_slowed_down_is_not_afterwards(source: VM, destination: VM) -> None:
    """With auto-converge QEMU slows a guest down that writes too fast, and it works on."""
    source.set_guest(rate=BUSY)
    put_under(source, ALL)
    auto_converge(source, at_most=HALF)

    migration = start_migration(
        source, to=destination, via=UNIX, bandwidth=FIRST_PASS, downtime=NEVER
    )
    pass_over_again(migration, ALL, OVER_AGAIN)
    assert 0 < throttled(migration) <= HALF
    migration.release()

    assert migration.outcome().status == "completed"
    works_on(destination, ALL)


def test_busy_guest_works_on_from_a_file(source: VM, destination: VM) -> None:
    """What was under way when a busy guest was saved goes on from the file."""
    source.set_guest(rate=BUSY)
    put_under(source, ALL)

    saved = save(source, via=EXEC_FILE, bandwidth=FIRST_PASS, downtime=NEVER)
    pass_over_again(saved, ALL, OVER_AGAIN)
    saved.release()
    assert saved.outcome().status == "completed"
    restore(destination, saved)

    works_on(destination, ALL)


@pytest.mark.full
@pytest.mark.parametrize(
    ("counting", "machine_type", "vcpus"),
    [(TSC, "q35", 1), (HPET, "pc", 4), (ACPI_PM, "pc", 1)],
    ids=["tsc-q35-1", "hpet-pc-4", "acpi_pm-pc-1"],
    indirect=True,
)
def test_busy_guest_of_any_size_works_on(source: VM, destination: VM) -> None:
    """A guest under every load is moved on every machine, with few vCPUs and many."""
    source.set_guest(rate=BUSY)
    put_under(source, ALL)

    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=FIRST_PASS, downtime=NEVER
    )
    pass_over_again(migration, ALL, OVER_AGAIN)
    migration.release()

    assert migration.outcome().passes > OVER_AGAIN
    works_on(destination, ALL)


@pytest.mark.full
@pytest.mark.parametrize("transport", [UNIX, EXEC], ids=str)
def test_busy_guest_works_on_over(source: VM, destination: VM, transport: Live) -> None:
    """A busy guest is moved by other transports as by TCP."""
    source.set_guest(rate=BUSY)
    put_under(source, ALL)

    migration = start_migration(
        source, to=destination, via=transport, bandwidth=FIRST_PASS, downtime=NEVER
    )
    pass_over_again(migration, ALL, OVER_AGAIN)
    migration.release()

    assert migration.outcome().passes > OVER_AGAIN
    works_on(destination, ALL)


@pytest.mark.full
@pytest.mark.parametrize("transport", [FILE, EXEC_FILE], ids=str)
@pytest.mark.parametrize("load", [MEMORY, CPU, IO], ids=str)
def test_busy_guest_that_is_stopped_works_on_from_a_file(
    source: VM, destination: VM, transport: Stored, load: Load
) -> None:
    """A busy guest that was stopped in mid-work goes on from a file when it is told to."""
    put_under(source, load)
    source.stop()

    saved = save(source, via=transport)
    assert saved.outcome().status == "completed"
    restore(destination, saved)
    destination.cont()

    works_on(destination, load)


@pytest.mark.full
@pytest.mark.parametrize("times", [10], ids=str)
def test_busy_guest_goes_there_and_back(source: VM, times: int) -> None:
    """However often a busy guest is moved, it works on."""
    put_under(source, ALL)

    here = carry(source, via=TCP, times=times)

    works_on(here, ALL)
