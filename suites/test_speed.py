# SPDX-License-Identifier: Apache-2.0
"""The speed of a migration is what it was told to be, and its progress is told truly.

The KVM project's Migration page (2009) has `migrate_set_speed` and `info migrate`; today
they are `max-bandwidth`, `downtime-limit` and `query-migrate`. The cap is one for RAM while the
guest runs; when it has been stopped QEMU lifts it (migration/migration.c: qemu_file_set_rate_limit
with INT64_MAX in migration_completion, 5.2 and 7.2; migration_rate_set(RATE_LIMIT_DISABLED) in
migration_completion_precopy, 10.0), because every byte is down time then.

A failure means that a migration takes more of a network than it was given, or that a guest
stands still for longer than the network makes it.
"""

from __future__ import annotations

import pytest

from landfall.device import Hardware
from landfall.migration import MiB, start_migration
from landfall.rates import measure_rates
from landfall.transport import EXEC, LIVE, TCP, UNIX, Live
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(TCP, id="tcp", marks=pytest.mark.smoke),
    pytest.param(EXEC, id="exec"),
]
CAP = 16 * MiB
HIGHER_CAP = 32 * MiB
TOLERANCE = 1.1
LOW_CAP = 4 * MiB
"""Bytes/s at which what is left when the guest is stopped would take three tenths of a second."""
OVERSHOOT = 0.8 * MiB
"""Bytes/s: 80 KiB a turn of QEMU's limiter (see ARCHITECTURE.md, «Choices that differ»)."""
MUCH_STATE = tuple(Hardware(f"nic{n}", ("-device", "e1000e,romfile=")) for n in range(6))
"""A MiB of device state: each keeps 128 KiB of registers (hw/net/e1000e.c, mac)."""
NEVER = 0.001
"""A down time (s) so short that a guest that writes never converges."""
QUIET = 0
"""Pages a second: one pass over RAM is then all there is, and its length is known."""
BUSY = 12288
"""Pages a second that the guest writes: more than HIGHER_CAP can carry."""


@pytest.mark.parametrize("memory", [64], indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_bandwidth_cap_holds(source: VM, destination: VM, transport: Live) -> None:
    """No second on the wire carries more than the cap, by a tenth."""
    source.set_guest(rate=QUIET)
    migration = start_migration(source, to=destination, via=transport, bandwidth=CAP, watched=True)

    capped = migration.measure(amount=2 * CAP)
    migration.release()

    assert migration.outcome().status == "completed"
    assert capped.peak <= TOLERANCE * CAP
    assert capped.reaches(CAP, machine_can=migration.fastest)
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [128], indirect=True)
def test_bandwidth_cap_holds_when_changed_in_flight(source: VM, destination: VM) -> None:
    """A cap that is changed in flight holds from then on."""
    source.set_guest(rate=QUIET)
    migration = start_migration(source, to=destination, via=TCP, bandwidth=CAP, watched=True)

    low = migration.measure(amount=CAP)
    migration.set(bandwidth=HIGHER_CAP)
    high = migration.measure(amount=2 * HIGHER_CAP)
    migration.release()

    assert migration.outcome().status == "completed"
    assert low.peak <= TOLERANCE * CAP
    assert high.peak <= TOLERANCE * HIGHER_CAP
    assert high.reaches(HIGHER_CAP, machine_can=migration.fastest)
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [8], indirect=True)
@pytest.mark.parametrize("append", ["zero=8"], ids=["half-zero"], indirect=True)
@pytest.mark.parametrize("machine_type", ["q35"], indirect=True)
@pytest.mark.parametrize("devices", [MUCH_STATE], ids=["six-e1000e"], indirect=True)
@pytest.mark.parametrize("transport", [TCP, EXEC], ids=str)
def test_ram_is_capped_and_device_state_is_not(
    source: VM, destination: VM, transport: Live
) -> None:
    """RAM is sent no faster than the cap, what comes after the guest was stopped is."""
    source.set_guest(rate=QUIET)
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=LOW_CAP, recorded=True
    )

    assert migration.outcome().status == "completed"
    rates = measure_rates(migration)
    assert rates.running.rate <= TOLERANCE * LOW_CAP + OVERSHOOT, str(rates)
    assert rates.running.rate >= LOW_CAP / 2, str(rates)
    assert rates.devices.rate > 2 * LOW_CAP, str(rates)
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [16], indirect=True)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ram_is_passed_over_again(source: VM, destination: VM, transport: Live) -> None:
    """Memory that is written while it is sent is sent again, in at least two more passes."""
    source.set_guest(rate=BUSY)
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=2 * CAP, downtime=NEVER
    )
    migration.wait_for_pass(3)
    migration.release()

    assert migration.outcome().passes >= 3
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", LIVE, ids=str)
def test_progress_is_told_truly(source: VM, destination: VM, transport: Live) -> None:
    """What query-migrate says only ever grows where it should, and adds up at the end."""
    source.set_guest(rate=QUIET)
    migration = start_migration(source, to=destination, via=transport, bandwidth=CAP)

    outcome = migration.outcome_watched()

    assert outcome.status == "completed"
    assert migration.looked >= 5
    assert outcome.transferred > 0
    assert destination.owns_the_guest
