# SPDX-License-Identifier: Apache-2.0
"""The monitor that the page types at does what it did, or says what took its place.

The KVM project's Migration page (2009) migrates at QEMU's own monitor: `migrate URI`, which
waits, `migrate -d URI`, which does not, `info migrate`, `migrate_set_speed 1g`, `stop` and
`cont`. Here all is typed on a pseudo-terminal, as `-monitor pty` makes one, and read up to the
prompt (hmp-commands.hx and hmp-commands-info.hx, QEMU 5.2 to 11.1, say what each does).
`migrate_set_speed` and `migrate_set_downtime` were removed in 6.0 (docs/about/
removed-features.rst); `migrate_set_parameter` took their place.

A failure means that who follows the page at the monitor is told something else than what
happens, or is not told at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from landfall.attempt import CANCELLED, SLOW
from landfall.build import QemuBuild
from landfall.device import Device
from landfall.migration import MiB, migrate, start_migration, try_migration
from landfall.monitor import PTY_MONITOR, Monitor, monitor
from landfall.qmp import CommandRefused
from landfall.transport import EXEC, TCP, UNIX, Live
from landfall.vm import VM

TRANSPORTS = (TCP, UNIX, EXEC)
"""Not fd: a descriptor that was given to one monitor is not found by another (monitor/fds.c)."""
QUIET = 0
CAP = 16 * MiB
TOLERANCE = 1.1
SIZES = {"16": 16 << 20, "16M": 16 << 20, "512k": 512 << 10, "1g": 1 << 30, "4096B": 4096}
"""What is typed for max-bandwidth, and what it is: a bare number counts MiB
(migration/migration-hmp-cmds.c, 10.0: `visit_type_size` after a suffix of «M» by default)."""
NOBODY = [
    pytest.param("tcp:127.0.0.1:0", "Connection refused", id="tcp"),
    pytest.param("unix:/nowhere/at.all", "No such file or directory", id="unix"),
]
"""Where nobody waits (on port 0 nobody can), and what is said of it."""
MALFORMED = [
    pytest.param("carrier-pigeon:home", "migration protocol", id="protocol"),
    pytest.param("tcp:here", "address|port", id="address"),
]
"""URIs that are none, and what is said of them."""


@dataclass(frozen=True)
class Retired:
    """A command of the page's time, and what to type today."""

    command: str
    argument: str
    parameter: str
    typed: str
    value: int

    def __str__(self) -> str:
        return self.command

    def answer(self, build: QemuBuild) -> str:
        """What the monitor says to it: nothing where the command is still there."""
        return "" if self.command in build.commands else f"unknown command: '{self.command}'"

    def leaves(self, build: QemuBuild, before: int) -> int:
        """What the parameter is after it."""
        return self.value if self.command in build.commands else before


RETIRED = [
    Retired("migrate_set_speed", "1g", "max-bandwidth", "1g", 1 << 30),
    Retired("migrate_set_downtime", "0.05", "downtime-limit", "50", 50),
]


@pytest.fixture
def devices() -> tuple[Device, ...]:
    """Both sides have a monitor on a pseudo-terminal."""
    return (PTY_MONITOR,)


@pytest.fixture
def hmp(source: VM) -> Monitor:
    """The source's monitor."""
    return monitor(source)


def parameter(vm: VM, name: str) -> int:
    """Return a migration parameter, as QMP has it."""
    return int(vm.qmp.execute("query-migrate-parameters")[name])


@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_prompt_comes_back_when_the_migration_is_over(
    source: VM, destination: VM, hmp: Monitor, transport: Live
) -> None:
    """`migrate URI` keeps the prompt while the guest is being moved, and no longer."""
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=SLOW, by=hmp.migrate
    )
    migration.wait_until_sent(MiB)
    assert migration.status == "active"
    assert not hmp.prompts

    migration.release()

    assert migration.outcome().status == "completed"
    assert hmp.answer() == ""
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_detached_migration_gives_the_prompt_back_at_once(
    source: VM, destination: VM, hmp: Monitor, transport: Live
) -> None:
    """`migrate -d URI` gives the prompt back while the guest is being moved."""
    migration = start_migration(
        source, to=destination, via=transport, bandwidth=SLOW, by=hmp.migrate_detached
    )
    assert hmp.prompts
    migration.wait_until_sent(MiB)
    assert hmp.progress.status == "active"

    migration.release()

    assert migration.outcome().status == "completed"
    assert hmp.progress.status == "completed"
    assert destination.owns_the_guest


def test_info_migrate_tells_how_far_it_is(source: VM, destination: VM, hmp: Monitor) -> None:
    """`info migrate` tells of an ever growing part sent, of no more left than there is."""
    source.set_guest(rate=QUIET)
    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=2 * CAP, by=hmp.migrate_detached
    )

    seen = hmp.watch(lambda: migration.rests)

    sent = [progress.transferred for progress in seen]
    assert migration.outcome().status == "completed"
    assert sent == sorted(sent)
    assert sent[-1] > sent[0]
    assert all(progress.remaining <= progress.total for progress in seen)
    assert seen[-1].status == "completed"
    assert seen[-1].remaining == 0
    assert destination.owns_the_guest


@pytest.mark.parametrize("retired", RETIRED, ids=str)
def test_command_of_the_page_or_what_took_its_place(
    source: VM, destination: VM, hmp: Monitor, retired: Retired
) -> None:
    """A command that was removed is called unknown and does nothing; its successor does it."""
    before = parameter(source, retired.parameter)

    said = hmp.ask(f"{retired.command} {retired.argument}")
    then = parameter(source, retired.parameter)
    hmp.do(f"migrate_set_parameter {retired.parameter} {retired.typed}")

    assert said == retired.answer(source.build)
    assert then == retired.leaves(source.build, before)
    assert parameter(source, retired.parameter) == retired.value
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_speed_that_is_typed_is_the_speed_that_is_set(
    source: VM, destination: VM, hmp: Monitor
) -> None:
    """A speed is taken with its unit, and without one in MiB a second."""
    for typed, value in SIZES.items():
        hmp.do(f"migrate_set_parameter max-bandwidth {typed}")

        assert parameter(source, "max-bandwidth") == value
        assert f"max-bandwidth: {value} bytes/second" in hmp.ask("info migrate_parameters")

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("memory", [64], indirect=True)
def test_speed_that_is_typed_holds_on_the_wire(source: VM, destination: VM, hmp: Monitor) -> None:
    """A speed that is typed while the guest is being moved holds on the wire from then on."""
    source.set_guest(rate=QUIET)
    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=SLOW, watched=True, by=hmp.migrate_detached
    )

    hmp.do("migrate_set_parameter max-bandwidth 16")
    capped = migration.measure(amount=CAP)
    migration.release()

    assert migration.outcome().status == "completed"
    assert capped.peak <= TOLERANCE * CAP
    assert capped.reaches(CAP, machine_can=migration.fastest)
    assert destination.owns_the_guest


def test_migration_is_cancelled_at_the_monitor(source: VM, destination: VM, hmp: Monitor) -> None:
    """`migrate_cancel` ends a migration, and the guest goes on where it was."""
    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=SLOW, by=hmp.migrate_detached
    )
    migration.wait_until_sent(MiB)

    hmp.ask("migrate_cancel")  # it may find the socket shut already, and says so

    assert migration.outcome().status in CANCELLED
    assert hmp.progress.status == migration.status
    assert source.owns_the_guest


@pytest.mark.parametrize(("uri", "words"), NOBODY)
def test_reason_of_a_failure_is_told_at_the_monitor(
    source: VM, hmp: Monitor, uri: str, words: str
) -> None:
    """Where nobody waits, `info migrate` says that it failed and why; the guest goes on."""
    migration = try_migration(source, uri, by=hmp.migrate_detached)

    assert migration.outcome().status == "failed"
    assert hmp.progress.status == "failed"
    assert words in hmp.progress.reason
    assert source.owns_the_guest


@pytest.mark.parametrize(("uri", "words"), MALFORMED)
def test_uri_that_is_none_is_refused(
    source: VM, destination: VM, hmp: Monitor, uri: str, words: str
) -> None:
    """A URI that QEMU does not understand is refused in words, and the next one is taken."""
    with pytest.raises(CommandRefused, match=words):
        try_migration(source, uri, by=hmp.migrate_detached)

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_second_migration_is_refused(source: VM, destination: VM, hmp: Monitor) -> None:
    """While a guest is being moved it cannot be moved elsewhere, and arrives all the same."""
    migration = start_migration(
        source, to=destination, via=TCP, bandwidth=SLOW, by=hmp.migrate_detached
    )
    migration.wait_until_sent(MiB)

    with pytest.raises(CommandRefused, match="migration process in progress"):
        hmp.migrate_detached("tcp:127.0.0.1:0")
    migration.release()

    assert migration.outcome().status == "completed"
    assert destination.owns_the_guest


def test_stopped_guest_is_let_go_at_the_other_monitor(
    source: VM, destination: VM, hmp: Monitor
) -> None:
    """A guest that `stop` stopped arrives stopped, and `cont` lets it go on there."""
    there = monitor(destination)
    hmp.do("stop")
    assert hmp.ask("info status") == "VM status: paused"
    migration = start_migration(source, to=destination, via=TCP, by=hmp.migrate_detached)
    assert migration.outcome().status == "completed"
    assert hmp.ask("info status") == "VM status: paused (postmigrate)"
    assert there.ask("info status") == "VM status: paused"

    there.do("cont")

    assert there.ask("info status") == "VM status: running"
    assert destination.owns_the_guest


def test_capabilities_are_told_as_they_are(source: VM, destination: VM, hmp: Monitor) -> None:
    """`info migrate_capabilities` tells what QMP tells, also of one that was set there."""
    hmp.do("migrate_set_capability auto-converge on")

    told = hmp.ask("info migrate_capabilities").splitlines()

    known = source.qmp.execute("query-migrate-capabilities")
    words = {True: "on", False: "off"}
    assert "auto-converge: on" in told
    assert told == [f"{c['capability']}: {words[c['state']]}" for c in known]
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
