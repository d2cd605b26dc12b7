# SPDX-License-Identifier: Apache-2.0
"""What a program, a file or a snapshot does to a guest is seen, and is told as what it is."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.children import children
from landfall.clock import Bell
from landfall.device import Hardware
from landfall.errors import HarnessError, Missing, QEMUDied
from landfall.history import Side
from landfall.host import LocalHost
from landfall.migration import migrate, refused, restore, save
from landfall.parting import Mark, Parting, lives_of
from landfall.piped import packed, piped
from landfall.program import GPG, GZIP, SSH, USERS_OWN, Need, Program
from landfall.snapshot import take
from landfall.stage import Stage
from landfall.transport import EXEC_FILE, Transport
from landfall.vm import ANSWER, VM
from tests.command import qualify
from tests.life import beats
from tests.test_nothing_left import SOON

MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
FLIPPED = Program("flipped", f"{MUTATE} flip-byte > {{path}}", "cat < {path}")
SHORT = Program("short", "(head -c 200000; cat > /dev/null) > {path}", "cat < {path}")
SILENT = Program("silent", "cat > {path}", "exit 3")
Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]


@pytest.mark.qemu
@pytest.mark.parametrize(
    "transport", [piped(USERS_OWN), packed(USERS_OWN), piped(SSH), packed(GPG)], ids=str
)
def test_program_that_gives_back_what_it_took_breaks_nothing(
    start: Start, broken: Broken, transport: Transport
) -> None:
    """A sound program breaks no promise, and leaves nothing behind."""
    source, destination = start()

    migrate(source, to=destination, via=transport)

    assert destination.owns_the_guest
    assert broken() == {}


@pytest.mark.qemu
@pytest.mark.parametrize("transport", [piped(FLIPPED), packed(FLIPPED)], ids=str)
def test_byte_that_a_program_changes_is_seen(
    start: Start, broken: Broken, transport: Transport
) -> None:
    """One byte that a program changes breaks the promise of memory."""
    source, destination = start()

    migrate(source, to=destination, via=transport)

    assert "memory" in broken()


@pytest.mark.qemu
def test_refusal_that_nobody_expects_convicts(start: Start) -> None:
    """A destination that refuses what the source calls completed has died, unless it had to."""
    source, destination = start()

    with pytest.raises(QEMUDied, match="destination's QEMU ended with status 1"):
        migrate(source, to=destination, via=piped(SHORT))


@pytest.mark.qemu
def test_saved_source_that_goes_on_unasked_is_seen(start: Start, broken: Broken) -> None:
    """A source that goes on after it was saved is sound, and one that was not told to is not."""
    source, _destination = start()
    save(source, via=EXEC_FILE).outcome()

    source.cont()
    source.line.wait_for_beats(3, ANSWER)
    source.continued_at = 0.0

    assert broken() == {"contract": "after «completed» the source is running, not postmigrate"}


@pytest.mark.qemu
def test_destination_that_waits_for_ever_is_noted(start: Start, stage: Stage) -> None:
    """A command that ends without a word leaves its destination waiting, and that is told."""
    source, destination = start()
    saved = save(source, via=packed(SILENT))
    saved.outcome()

    refused(destination, saved)

    assert stage.notes == [
        "the destination waits for ever, at full speed, for a command that ended without a word"
    ]


@pytest.mark.qemu
def test_copy_is_judged_beside_its_source(start: Start, broken: Broken) -> None:
    """A file that is loaded twice is two guests, and neither excuses a source that goes on."""
    source, destination = start()
    saved = save(source, via=EXEC_FILE)
    saved.outcome()
    second = source.ready_twin("second")
    restore(destination, saved)
    restore(second, saved)

    source.cont()
    source.line.wait_for_beats(3, ANSWER)

    said = broken()["ownership"]
    assert "the guest ran on the source and on the destination" in said
    assert "the guest ran on the source and on the second" in said


@pytest.mark.qemu
def test_clock_that_stood_still_while_the_file_lay_is_seen(start: Start, broken: Broken) -> None:
    """A real-time clock that is told to follow the guest, not the host, breaks the promise."""
    still = Hardware("rtc", ("-rtc", "clock=vm"))
    source, destination = start(devices=(still,))
    saved = save(source, via=EXEC_FILE)
    saved.outcome()

    saved.lies_for(4.0)
    restore(destination, saved)
    destination.line.wait_for_second(ANSWER)

    assert "the real-time clock has counted" in broken()["time"]


@pytest.mark.qemu
def test_guest_that_went_back_unasked_is_seen(start: Start, broken: Broken) -> None:
    """A guest that repeats itself is convicted where nobody took it back to a snapshot."""
    source, _destination = start()
    snapshot = take(source)
    source.line.wait_for_beats(3, ANSWER)
    snapshot.go_back()
    source.line.wait_for_beats(3, ANSWER)

    source.parting = None

    assert "came after" in broken()["ownership"]


def test_life_that_parts_is_told_as_two() -> None:
    """What was heard between a snapshot and the way back to it belongs to a life of its own."""
    side = Side("source", heard=beats(1, 30, at=0.2, guest_time=0.2), status="running")
    parting = Parting(Mark(0.35, 0.4, 10), Mark(0.35, 0.6, 20))

    before, undone, again = lives_of(side, parting)

    assert [len(part.heard) for part in (before, undone, again)] == [10, 10, 10]
    assert (undone.copy_of, again.copy_of) == ("", undone.name)
    assert (before.status, undone.status, again.status) == ("", "", "running")


def test_program_that_is_not_here_is_named(host: LocalHost) -> None:
    """A program that is not installed makes a scenario unable, and names its package."""
    lacking = replace(GZIP, needs=(Need("no-such-program", "no-such-package"),))

    with pytest.raises(Missing, match=r"no-such-program .*package no-such-package"):
        piped(lacking).program.require(host)


def test_keys_that_cannot_be_made_are_not_held_against_qemu(host: LocalHost) -> None:
    """A program that cannot make its keys is an error of the host, in its own words."""

    def impossible(_host: LocalHost, folder: Path) -> None:
        done = _host.run(["openssl", "rand", "-out", str(folder / "no" / "where"), "8"], 10.0)
        raise HarnessError(done.errors)

    with pytest.raises(HarnessError, match="No such file or directory"):
        replace(GZIP, make_keys=impossible).keys(host)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("chosen", "program"),
    [
        ("continues_behind_a_program and gpg-nc", "gpg-agent"),
        ("continues_behind_a_program and ssh-loopback", "ssh -F"),
    ],
    ids=["gpg-agent", "ssh"],
)
def test_nothing_is_left_of_programs_when_the_run_is_killed(chosen: str, program: str) -> None:
    """Agents and servers that a program brought up are gone when the runner is killed."""
    with qualify("-k", chosen, profile="default") as run:
        run.wait_for_process(program)
        family = children(run.process.pid)  # sshd takes the mark off its environment
        run.strike(signal.SIGKILL)

        assert run.left(SOON) == []
        Bell().wait(lambda: not _alive(family), within=SOON, what="their end", seen=lambda: family)


def _alive(family: dict[int, str]) -> list[int]:
    """Which of some processes still run; a pid is not given to another so soon."""
    alive = []
    for pid in family:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            alive += [pid] if state not in "ZX" else []
    return alive
