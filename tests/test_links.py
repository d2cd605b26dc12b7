# SPDX-License-Identifier: Apache-2.0
"""The links between two hosts are broken as they are told to be, and made whole again."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.errors import HarnessError, HostLost, Missing, UsageError
from landfall.host import LocalHost
from landfall.hosts import Pair, Wanted, opened
from landfall.inventory.entry import Inventory
from landfall.inventory.provider import provided
from landfall.inventory.reading import load, parse
from landfall.links import NO_LINKS, Links
from tests.command import ROOT, qualify

HOSTS = Path(__file__).parent / "hosts"
NETNS = HOSTS / "two-netns.toml"
SOON = 10.0
PASSES = 0.5
"""Seconds in which what can pass has passed."""
RATE = 200_000
"""Bytes a second of a slow link; a datagram at a time passes it once each way."""
DATAGRAM = b"." * 1200
AMOUNT = 300_000
BURST = 1 << 16
"""Bytes that pass at once: what a queue has in hand when it begins."""
RECEIVE = """\
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
    end.bind((sys.argv[1], 0))
    print(end.getsockname()[1], flush=True)
    while True:
        said, sender = end.recvfrom(2000)
        if len(said) < 64:
            print(said.decode(), flush=True)
        end.sendto(said, sender)
"""
"""Says what comes, and sends it back."""
LAB = """\
echo 'links = ["down"]'
echo '[hosts.alpha]'
echo 'ssh = "192.0.2.1"'
echo '# ready'
while read -r verb host link more; do
	echo "$verb $host $link $more" >>told
	case $verb in
	down) echo something else; echo '# ok' ;;
	heal) [ -e stuck ] && echo '# refused the switch is stuck' || echo '# ok' ;;
	*) exit ;;
	esac
done
"""


@pytest.fixture
def warden() -> Iterator[LocalHost]:
    """A host that nothing else runs on."""
    with LocalHost() as host:
        yield host


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two hosts in network namespaces."""
    with LocalHost() as runner:
        try:
            with opened(Wanted(inventory=str(NETNS)), runner) as made:
                yield made
        except HarnessError as error:
            pytest.skip(f"no two hosts here: {error}")


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


class Asking:
    """A socket of the runner's that asks beta over the migration link."""

    def __init__(self, address: str, echo: subprocess.Popen[str]) -> None:
        assert echo.stdout is not None
        self._heard = echo.stdout
        self._end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._end.connect((address, int(echo.stdout.readline())))
        self._end.settimeout(PASSES)
        self._number = 0

    def passes(self) -> tuple[bool, bool]:
        """Whether a question reaches beta, and whether its answer comes back."""
        self._number += 1
        said = str(self._number)
        self._end.send(said.encode())
        reached = bool(select.select([self._heard], [], [], PASSES)[0])
        if reached:
            assert self._heard.readline().strip() == said
        try:
            return reached, self._end.recv(64).decode() == said
        except OSError:
            return reached, False

    def lasts(self, amount: int) -> float:
        """Return how many seconds some bytes take to beta and back, a datagram at a time."""
        begun = time.monotonic()
        for _ in range(amount // len(DATAGRAM)):
            self._end.send(DATAGRAM)
            self._end.recv(len(DATAGRAM))
        return time.monotonic() - begun

    def close(self) -> None:
        """Give the socket back."""
        self._end.close()


@pytest.fixture
def asking(pair: Pair) -> Iterator[Asking]:
    """Ask beta over its migration link, which is whole again afterwards."""
    beta = pair.destination.address
    # The runner's own python, but in beta's namespace: what runs there has beta's links.
    space = next(
        name
        for line in _run("ip", "netns", "list").splitlines()
        if (name := line.split()[0]).endswith("-beta")
        and f" {beta}/" in _run("ip", "-n", name, "addr")
    )
    words = ["ip", "netns", "exec", space, sys.executable, "-c", RECEIVE, beta]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        made = Asking(beta, process)
        try:
            yield made
        finally:
            made.close()
            process.kill()
            pair.links.heal()


@pytest.mark.qemu
def test_what_is_lost_is_lost_one_way(pair: Pair, asking: Asking) -> None:
    """Each verb loses what it says and nothing else, and ssh goes on; heal undoes it."""
    cable = pair.links.between(pair.source, pair.destination)
    assert asking.passes() == (True, True)

    found = []
    for harm in (cable.lose_the_stream, cable.lose_the_answers, cable.break_):
        harm()
        found.append(asking.passes())
        assert pair.destination.run(["true"], SOON).status == 0
        cable.heal()
        assert asking.passes() == (True, True)

    assert found == [(False, False), (True, False), (False, False)]


@pytest.mark.qemu
def test_migration_passes_while_ssh_is_lost(pair: Pair, asking: Asking) -> None:
    """The two links of a host stand and fall by themselves."""
    pair.links._do("drop-from beta ssh")
    try:
        assert asking.passes() == (True, True)
    finally:
        pair.links._do("heal beta ssh")


@pytest.mark.qemu
def test_link_is_slowed_down(pair: Pair, asking: Asking) -> None:
    """A throttled link passes as much as it is told to, and no more."""
    pair.links.between(pair.source, pair.destination).throttle(RATE)

    lasted = asking.lasts(AMOUNT)

    assert lasted >= (AMOUNT - BURST) / RATE


def test_command_is_passed_on(tmp_path: Path, warden: LocalHost) -> None:
    """A lab's own program is told in a line what to do, and what it answers is heard."""
    with provided(_lab(tmp_path), warden) as made:
        assert made.links == ("down",)
        assert made.do is not None
        links = Links(made.links, made.do)

        links.do("down", "alpha")
        links.heal()
        links.heal()

    assert (tmp_path / "told").read_text() == "down alpha migration \nheal alpha migration \n"


def test_link_that_stays_broken_is_told(tmp_path: Path, warden: LocalHost) -> None:
    """What could not be healed is an error of the host's, again and again until it is."""
    with provided(_lab(tmp_path), warden) as made:
        assert made.do is not None
        links = Links(made.links, made.do)
        links.do("down", "alpha")
        (tmp_path / "stuck").touch()

        for _ in range(2):
            with pytest.raises(HostLost, match=r"link of host alpha is still broken: .*is stuck"):
                links.heal()
        (tmp_path / "stuck").unlink()
        links.heal()


def test_program_that_ends_is_told(tmp_path: Path, warden: LocalHost) -> None:
    """A program that is gone is an error that says so."""
    with provided(_lab(tmp_path), warden) as made:
        assert made.do is not None
        with pytest.raises(HarnessError, match=r"`drop-to alpha migration` of .* it ended"):
            made.do("drop-to alpha migration")


def test_what_nobody_can_do_is_missing(warden: LocalHost) -> None:
    """Without a program that breaks links, and on one host, a scenario is unable, and why."""
    with pytest.raises(Missing, match=r"says so: links = \['throttle'\]"):
        NO_LINKS.require("throttle")
    with pytest.raises(Missing, match="both sides are on host local"):
        NO_LINKS.between(warden, warden)


def test_unknown_verb_is_refused(tmp_path: Path) -> None:
    """What no suite asks for is told with its line, and what is allowed."""
    path = tmp_path / "inventory.toml"
    path.write_text('made_by = ["true"]\nlinks = ["down", "explode"]\n')

    with pytest.raises(UsageError, match=r'inventory.toml:2: links.1: "explode" is not allowed'):
        load(path)


def _lab(folder: Path) -> Inventory:
    (folder / "lab.sh").write_text(LAB)
    return parse('made_by = ["sh", "lab.sh"]\n', "inventory.toml", folder)


@pytest.mark.qemu
def test_link_that_is_not_broken_accuses_nobody(tmp_path: Path) -> None:
    """A lab that says that a link is broken, and it is not, makes an error and no conviction."""
    inventory = tmp_path / "inventory.toml"
    inventory.write_text(f'made_by = ["{sys.executable}", "{HOSTS / "lying.py"}"]\n')
    words = (str(ROOT / "suites" / "test_links.py"), "-k", "is_back and stream-lost-pre")

    with qualify(*words, "--inventory", str(inventory), profile="default") as run:
        ended = run.ended()

    assert ended.status == 3, ended.output + ended.errors
    [reason] = [one["reason"] for one in ended.scenarios]
    assert reason == "the link is not broken: stream-lost was asked for, and streams pass"
