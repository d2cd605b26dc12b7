# SPDX-License-Identifier: Apache-2.0
"""A program that says what hosts there are is held for as long as they are needed, no longer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall import keeper
from landfall.clock import Bell
from landfall.errors import HarnessError, UsageError
from landfall.host import LocalHost
from landfall.inventory.entry import LOCAL, Inventory
from landfall.inventory.provider import provided
from landfall.inventory.reading import load, parse

SOON = 10.0
"""Seconds; a deadline that no sound program needs."""
SHORT = 0.5
"""Seconds after which a program that says nothing is given up."""
LEASE = """\
echo '# two hosts'
echo 'source = "alpha"'
echo '[hosts.alpha]'
echo 'ssh = "192.0.2.1"'
echo 'key = "keys/one"'
echo '# ready'
"""
UNTIL_THE_END = "cat >/dev/null; echo given back >back"
RUNNER = """\
import pathlib, sys, time
from landfall.host import LocalHost
from landfall.inventory import provider, reading
inventory = reading.load(pathlib.Path(sys.argv[1]))
with LocalHost(float(sys.argv[2])) as host, provider.provided(inventory, host):
    print(host.mark, flush=True)
    time.sleep(60)
"""
"""A run that lasts until it is killed."""
BAD = [
    pytest.param("echo no machines >&2; exit 3", "status 3 .*no machines", id="ends"),
    pytest.param(f"exec >&-; {UNTIL_THE_END}", "closed its output before", id="closed"),
    pytest.param("exec /no/such", "made_by sh ended with status", id="no-program"),
    pytest.param(f"echo '[hosts.a]'; {UNTIL_THE_END}", r"waited 0.5 s.*\[hosts.a\]", id="silent"),
]


@pytest.fixture
def warden() -> Iterator[LocalHost]:
    """A host that nothing else runs on."""
    with LocalHost() as host:
        yield host


def made_by(folder: Path, script: str, more: str = "") -> Inventory:
    """Return the inventory of a file whose hosts a script makes."""
    (folder / "make.sh").write_text(script)
    (folder / "inventory.toml").write_text(f'made_by = ["sh", "make.sh"]\n{more}')
    return load(folder / "inventory.toml")


def test_hosts_are_there_until_the_run_is_over(tmp_path: Path, warden: LocalHost) -> None:
    """The program runs while its hosts are used, and is waited for when they are given back."""
    inventory = made_by(tmp_path, LEASE + UNTIL_THE_END)

    with provided(inventory, warden, SOON, SOON) as made:
        while_used = list(warden.strays().values())

    assert made.entry("alpha").ssh == "192.0.2.1"
    assert made.entry("alpha").keys == (tmp_path / "keys/one",)
    assert made.source == "alpha"
    assert any("make.sh" in line for line in while_used)
    assert (tmp_path / "back").read_text() == "given back\n"
    assert warden.strays() == {}


def test_file_counts_for_more_than_the_program(tmp_path: Path, warden: LocalHost) -> None:
    """Where the file says source or destination itself, that counts, also when handed on."""
    inventory = made_by(tmp_path, LEASE + UNTIL_THE_END, 'source = "local"\ndestination = "kvm"')

    with provided(inventory, warden, SOON, SOON) as made:
        pass

    assert (made.source, made.destination) == ("local", "kvm")
    assert parse(made.text, made.name, made.folder) == made


def test_inventory_without_a_program_is_what_it_is(tmp_path: Path, warden: LocalHost) -> None:
    """An inventory that says its hosts itself is yielded unchanged, and nothing is started."""
    inventory = parse("[hosts.a]", "file", tmp_path)

    with provided(inventory, warden) as made:
        assert made is inventory
        assert warden.strays() == {}


def test_program_may_say_more_than_is_heard(tmp_path: Path, warden: LocalHost) -> None:
    """What a program says after it is ready neither counts nor holds it up."""
    noise = "head -c 300000 /dev/zero | tr '\\0' x; echo done >noise\n"
    inventory = made_by(tmp_path, LEASE + noise + UNTIL_THE_END)

    with provided(inventory, warden, SOON, SOON) as made:
        Bell().wait((tmp_path / "noise").exists, within=SOON, what="a program with much to say")

    assert set(made.hosts) == {LOCAL, "alpha"}


@pytest.mark.parametrize(("script", "told"), BAD)
def test_program_that_is_never_ready_is_told(
    tmp_path: Path, warden: LocalHost, script: str, told: str
) -> None:
    """A program that ends, or says nothing more, is told with its last words, and is gone."""
    inventory = made_by(tmp_path, script)

    with pytest.raises(HarnessError, match=told), provided(inventory, warden, SHORT, SOON):
        pass

    assert warden.strays() == {}


def test_program_that_was_never_ready_is_waited_for_no_longer(
    tmp_path: Path, warden: LocalHost
) -> None:
    """A program that was given up has as long to end as any other, and is killed then."""
    inventory = made_by(tmp_path, "echo held >&2; sleep 60")
    began = time.monotonic()

    with (
        pytest.raises(HarnessError, match=r"waited 0.5 s.*held"),
        provided(inventory, warden, SHORT, SHORT),
    ):
        pass

    assert time.monotonic() - began < SOON
    assert warden.strays() == {}


def test_program_that_cannot_be_started_is_the_users(tmp_path: Path, warden: LocalHost) -> None:
    """A program that is not there is told in one line with the file that names it."""
    inventory = parse('made_by = ["./nowhere"]', "file", tmp_path)

    with (
        pytest.raises(UsageError, match=r"file: made_by ./nowhere: cannot be started: .*No such"),
        provided(inventory, warden),
    ):
        pass


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[hosts.a]\nprot = 1", r"\(made by sh\):2: hosts.a.prot: there is no such key"),
        ('made_by = ["x"]', "made_by is for a file; a program prints hosts"),
    ],
)
def test_what_a_program_says_wrong_is_told_with_its_line(
    tmp_path: Path, warden: LocalHost, said: str, told: str
) -> None:
    """A program's output is checked as a file is, and the program is let go."""
    inventory = made_by(tmp_path, f"cat <<'E'\n{said}\n# ready\nE\n{UNTIL_THE_END}")

    with pytest.raises(UsageError, match=told), provided(inventory, warden, SOON, SOON):
        pass

    assert (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("at_the_end", "told"),
    [
        ("sleep 60", "did not end within 0.5 s and was killed"),
        ("cat >/dev/null; echo still held >&2; exit 5", "ended with status 5; last seen: still"),
    ],
)
def test_program_that_does_not_give_back_is_told(
    tmp_path: Path, warden: LocalHost, at_the_end: str, told: str
) -> None:
    """A program that does not end when it should, or fails to, is told; what hangs is killed."""
    inventory = made_by(tmp_path, LEASE + at_the_end)

    with pytest.raises(HarnessError, match=told), provided(inventory, warden, SOON, SHORT):
        pass

    assert warden.strays() == {}


def test_what_went_wrong_meanwhile_is_what_is_told(tmp_path: Path, warden: LocalHost) -> None:
    """An error of the run's is not hidden by one of the program's; it is let go all the same."""
    inventory = made_by(tmp_path, LEASE + UNTIL_THE_END + "; exit 5")

    with pytest.raises(ZeroDivisionError), provided(inventory, warden, SOON, SOON):
        raise ZeroDivisionError

    assert (tmp_path / "back").exists()


@pytest.mark.parametrize(("grace", "takes", "given"), [(SOON, 0.3, True), (0.0, 9, False)])
def test_killed_run_gives_back_what_it_was_given(
    tmp_path: Path,
    grace: float,
    takes: float,
    given: bool,  # noqa: FBT001 - a value
) -> None:
    """A host that grants time lets the program of a killed run give back what it holds."""
    made_by(tmp_path, LEASE + f"cat >/dev/null; sleep {takes}; echo given back >back")
    words = [sys.executable, "-c", RUNNER, str(tmp_path / "inventory.toml"), str(grace)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        mark = runner.stdout.readline().strip()
        runner.kill()

    Bell().wait(
        lambda: not list(keeper.marked(mark)), within=SOON, what="the end of its processes"
    )

    assert (tmp_path / "back").exists() is given
