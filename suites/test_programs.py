# SPDX-License-Identifier: Apache-2.0
"""The stream can be handed to any program.

The promise of the KVM project's Migration page (2009): a guest is saved and moved by `exec:`
through gzip, gpg, ssh or whatever reads standard input and writes standard output. QEMU's
docs/devel/migration/main.rst has it as «exec migration: do the migration using the
stdin/stdout of a process».

A scenario that breaks here means that a guest that was compressed, encrypted or sent through
a program is not the guest that was handed to it; or, in the faults, that a program's failure
cost the guest on the source.
"""

from __future__ import annotations

import pytest

from landfall.attempt import SLOW
from landfall.migration import MiB, migrate, refused, save, start_migration
from landfall.piped import Packed, Piped, packed, piped
from landfall.program import (
    BZIP2,
    GPG,
    GPG_OTHER_KEY,
    GPG_OVER_NC,
    GZIP,
    OPENSSL,
    OPENSSL_OTHER_KEY,
    SSH,
    SSH_OTHER_KEY,
    SSH_OVER_LOOPBACK,
    USERS_OWN,
    XZ,
    ZSTD,
    Program,
)
from landfall.transport import Live
from landfall.vm import VM

FULL = pytest.mark.full
FAILS = "exit 3"
"""A program's own end, with a status that is not 0."""
TAKES_ALL = "cat > /dev/null"
"""A program that reads what it is given, and does not pass it on."""

AT_ONCE = Program("at-once", f"({FAILS}) > {{path}}", "cat < {path}")
ON_THE_WAY = Program("on-the-way", f"(head -c 200000; {FAILS}) > {{path}}", "cat < {path}")
NOT_THERE = Program("not-there", "no-such-program > {path}", "cat < {path}")
FAR_END = Program("far-end", "cat > {path}", f"(head -c 200000; {FAILS}) < {{path}}")
FAR_END_AT_ONCE = Program("far-end-at-once", "cat > {path}", f"({FAILS}) < {{path}}")
SHORT = Program("short", f"(head -c 200000; {TAKES_ALL}) > {{path}}", "cat < {path}")
HEADLESS = Program("headless", "tail -c +5 > {path}", "cat < {path}")
FAILS_AT_LAST = Program("fails-at-last", f"(cat; {FAILS}) > {{path}}", "cat < {path}")


@pytest.fixture
def memory(least_memory: int) -> int:
    """MiB of the guests here: what is checked does not depend on how much there is."""
    return max(8, least_memory)


@pytest.fixture
def append() -> str:
    """The guests write nothing while they are sent: `test_speed.py` is about those that do.

    A slow program makes for more passes, in which 5.2 and 7.2 lose pages under TCG.
    """
    return "rate=0"


LIVE = [
    pytest.param(piped(GZIP), id="gzip", marks=pytest.mark.smoke),
    pytest.param(piped(GPG_OVER_NC), id="gpg-nc"),
    pytest.param(piped(SSH_OVER_LOOPBACK), id="ssh-loopback"),
    pytest.param(piped(SSH), id="ssh"),
    pytest.param(piped(ZSTD), id="zstd"),
    pytest.param(piped(GPG), id="gpg"),
    pytest.param(piped(USERS_OWN), id="users-own"),
    pytest.param(piped(OPENSSL), id="openssl"),
    pytest.param(piped(BZIP2), id="bzip2", marks=FULL),
    pytest.param(piped(XZ), id="xz", marks=FULL),
]


@pytest.mark.parametrize("transport", LIVE)
def test_guest_continues_behind_a_program(source: VM, destination: VM, transport: Live) -> None:
    """A guest that was moved through a program continues on the destination."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


STORED = [
    pytest.param(packed(GZIP), id="gzip", marks=pytest.mark.smoke),
    pytest.param(packed(GPG), id="gpg"),
    pytest.param(packed(OPENSSL), id="openssl"),
    pytest.param(packed(XZ), id="xz"),
    pytest.param(packed(BZIP2), id="bzip2"),
    pytest.param(packed(ZSTD), id="zstd"),
    pytest.param(packed(SSH), id="ssh", marks=FULL),
    pytest.param(packed(USERS_OWN), id="users-own", marks=FULL),
]


@pytest.mark.parametrize("transport", STORED)
def test_guest_continues_from_a_packed_file(
    source: VM, destination: VM, transport: Packed
) -> None:
    """A guest that a program packed into a file continues from it."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("transport", [piped(GZIP), piped(GPG_OVER_NC)], ids=str)
def test_stopped_guest_arrives_stopped_behind_a_program(
    source: VM, destination: VM, transport: Live
) -> None:
    """A stopped guest arrives stopped, every byte of its RAM as it was."""
    source.stop()

    assert migrate(source, to=destination, via=transport).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(
    ("transport", "says"),
    [
        pytest.param(piped(AT_ONCE), "", id="at-once"),
        pytest.param(piped(ON_THE_WAY), "", id="on-the-way"),
        pytest.param(piped(NOT_THERE), "no-such-program: not found", id="not-there"),
        pytest.param(piped(SSH_OTHER_KEY), "Permission denied (publickey)", id="ssh-other-key"),
        pytest.param(packed(AT_ONCE), "", id="at-once-file"),
        pytest.param(packed(ON_THE_WAY), "", id="on-the-way-file"),
    ],
)
def test_guest_outlives_a_program_that_fails(
    source: VM, destination: VM, transport: Piped | Packed, says: str
) -> None:
    """The guest continues on the source when the program there ends before it has all."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "failed"
    assert outcome.error
    assert says in source.stderr
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(
    "program", [GZIP, GPG, pytest.param(GPG_OVER_NC, marks=FULL), SSH], ids=str
)
def test_guest_outlives_a_killed_program(source: VM, destination: VM, program: Program) -> None:
    """The guest continues on the source when the program there is killed midway."""
    migration = start_migration(source, to=destination, via=piped(program), bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    source.kill_its_programs()

    assert migration.outcome().status == "failed"
    assert migration.outcome().error
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("program", [GZIP, OPENSSL], ids=str)
def test_guest_outlives_a_program_killed_at_the_far_end(
    source: VM, destination: VM, program: Program
) -> None:
    """The guest continues on the source when the destination's program is killed midway."""
    migration = start_migration(source, to=destination, via=piped(program), bandwidth=SLOW)
    migration.wait_until_sent(MiB)

    destination.kill_its_programs()

    assert migration.outcome().status == "failed"
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(
    ("program", "says"),
    [
        pytest.param(FAR_END, "load of migration failed", id="far-end"),
        pytest.param(FAR_END_AT_ONCE, "", id="far-end-at-once"),
        pytest.param(OPENSSL_OTHER_KEY, "Not a migration stream", id="openssl-other-key"),
        pytest.param(HEADLESS, "Not a migration stream", id="headless"),
    ],
)
def test_guest_outlives_a_far_end_that_cannot_read(
    source: VM, destination: VM, program: Program, says: str
) -> None:
    """The guest continues on the source when the far end's program fails or has another key."""
    migration = start_migration(source, to=destination, via=piped(program), bandwidth=SLOW)

    words = migration.refused()

    assert migration.outcome().status == "failed"
    assert says in words
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(
    ("program", "says"),
    [
        pytest.param(SHORT, "load of migration failed", id="short"),
        pytest.param(GPG_OTHER_KEY, "decryption failed: No secret key", id="gpg-other-key"),
    ],
)
def test_guest_outlives_a_program_that_loses_something(
    source: VM, destination: VM, program: Program, says: str
) -> None:
    """What a program takes and loses the destination refuses; the source, told to, goes on.

    It is the one exception: no word comes back over a command, so QEMU says «completed».
    gpg is such a program: nobody reads it any more, and it reads its input to the end.
    """
    migration = start_migration(source, to=destination, via=piped(program))

    words = migration.refused()
    source.cont()

    assert migration.outcome().status == "completed"
    assert says in words
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize(
    ("program", "says"),
    [
        pytest.param(SHORT, "load of migration failed", id="short"),
        pytest.param(GPG_OTHER_KEY, "decryption failed: No secret key", id="gpg-other-key"),
        pytest.param(OPENSSL_OTHER_KEY, "Not a migration stream", id="openssl-other-key"),
    ],
)
def test_packed_file_that_cannot_be_read_is_refused(
    source: VM, destination: VM, program: Program, says: str
) -> None:
    """A file that is cut short or has another key is refused; the source, told to, goes on."""
    saved = save(source, via=packed(program))
    assert saved.outcome().status == "completed"

    words = refused(destination, saved)
    source.cont()

    assert says in words
    assert source.owns_the_guest


@pytest.mark.fault
@pytest.mark.parametrize("transport", [piped(FAILS_AT_LAST), packed(FAILS_AT_LAST)], ids=str)
def test_guest_is_in_one_place_when_the_program_fails_at_last(
    source: VM, destination: VM, transport: Piped | Packed
) -> None:
    """A program that wrote everything and then failed leaves the guest on exactly one side."""
    outcome = migrate(source, to=destination, via=transport)

    source.stage.note(
        f"the program ended with status 3, and QEMU says «{outcome.status}»: no document "
        "says what its exit status counts for"
    )
    assert [source.owns_the_guest, destination.owns_the_guest].count(True) == 1
