# SPDX-License-Identifier: Apache-2.0
"""A guest can be taken from whatever QEMU is started with.

The KVM project's Migration page (2009) has `-incoming stdio`. QEMU knows no such address any
more (migration/migration.c, 0.11 and later); what replaced it is `-incoming exec:CMD` and
`-incoming fd:N` (qemu-options.hx: «accept incoming migration from a given file descriptor»,
«as an output from specified external command»).

A scenario that breaks here means that whoever starts QEMU with the stream already in hand,
as every management program does, loses the guest; or that a word of the command line that is
no address is taken for one.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.inlet import (
    DESCRIPTOR,
    HANDED,
    HANDED_BOTH_WAYS,
    STDIN,
    STDIN_BY_COMMAND,
    Inlet,
    StateOnStdin,
    started_on,
    turned_away,
    what_its_command_reads,
)
from landfall.migration import MiB, arrived, migrate, save, start_migration
from landfall.refusal import Foreign, refused_uri
from landfall.transport import EXEC_FILE, TCP, Live
from landfall.vm import VM

INLETS = [
    pytest.param(STDIN, HANDED, id="fd-0", marks=pytest.mark.smoke),
    pytest.param(STDIN_BY_COMMAND, HANDED, id="exec"),
    pytest.param(DESCRIPTOR, HANDED_BOTH_WAYS, id="fd-n"),
]
BY_ITSELF = Inlet("inlet", "exec:cat", by_stdin=True)


def test_stdio_is_refused_by_name(source: VM, destination: VM) -> None:
    """`-incoming stdio` ends QEMU with status 1 and a word about it; the guest can be moved."""
    status, words = turned_away(source.twin("stdio", incoming="stdio"))

    assert status == 1
    assert "stdio" in words
    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


def test_stdio_is_no_address_to_migrate_to(source: VM, destination: VM) -> None:
    """`migrate stdio` is refused, and the guest can be moved all the same."""
    assert "migration protocol" in refused_uri(source, Foreign("stdio"))

    assert source.owns_the_guest
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(("inlet", "transport"), INLETS)
def test_guest_is_taken_from_what_qemu_was_started_with(
    source: VM, inlet: Inlet, transport: Live
) -> None:
    """A guest continues on a QEMU that was started with its end of the stream."""
    destination = started_on(source, inlet)

    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(("inlet", "transport"), INLETS)
def test_stopped_guest_is_taken_and_stays_stopped(
    source: VM, inlet: Inlet, transport: Live
) -> None:
    """A stopped guest arrives stopped through what QEMU was started with."""
    destination = started_on(source, inlet)
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


def test_state_file_on_standard_input_continues(source: VM) -> None:
    """A guest continues from a state file that is QEMU's standard input, read by a command."""
    saved = save(source, via=EXEC_FILE)
    assert saved.outcome().status == "completed"

    inlet = StateOnStdin("inlet", STDIN_BY_COMMAND.uri, saved.path)
    destination = started_on(source, inlet, stopped=True)
    arrived(destination, saved)
    destination.cont()

    assert destination.owns_the_guest


def test_command_does_not_read_standard_input_by_itself(source: VM, destination: VM) -> None:
    """`-incoming exec:cat` reads a pipe of QEMU's own, not the standard input QEMU has."""
    waiting = started_on(source, BY_ITSELF)

    reads = what_its_command_reads(waiting)

    source.stage.note(f"the standard input of `-incoming exec:cat` is {reads}")
    assert waiting.status == "inmigrate"
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(("inlet", "transport"), INLETS)
def test_guest_outlives_a_qemu_that_was_killed_at_its_inlet(
    source: VM, inlet: Inlet, transport: Live
) -> None:
    """The guest continues on the source when the QEMU that was handed the stream is killed."""
    destination = started_on(source, inlet)
    migration = start_migration(source, to=destination, via=transport, bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    destination.kill()

    assert migration.outcome().status == "failed"
    assert source.owns_the_guest
