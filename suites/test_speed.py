# SPDX-License-Identifier: Apache-2.0
"""The speed of a migration is what it was told to be, and its progress is told truly.

The KVM project's Migration page (2009) has `migrate_set_speed` and `info migrate`; today
they are `max-bandwidth`, `downtime-limit` and `query-migrate`.
"""

from __future__ import annotations

import pytest

from landfall.migration import MiB, start_migration
from landfall.transport import EXEC, FD, LIVE, TCP, UNIX, Live
from landfall.vm import VM

TRANSPORTS = [
    pytest.param(TCP, id="tcp", marks=pytest.mark.smoke),
    pytest.param(UNIX, id="unix"),
    pytest.param(FD, id="fd"),
    pytest.param(EXEC, id="exec"),
]
CAP = 16 * MiB
HIGHER_CAP = 32 * MiB
TOLERANCE = 1.1
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
