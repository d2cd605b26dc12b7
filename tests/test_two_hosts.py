# SPDX-License-Identifier: Apache-2.0
"""A run on two hosts behind ssh: it ends as it should, and leaves nothing, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall.clock import Bell
from tests.command import ROOT, command, qualify

pytestmark = pytest.mark.qemu

HOSTS = Path(__file__).parent / "hosts"
LOOPBACK = str(HOSTS / "two-loopback.toml")
SOON = 10.0
"""Seconds after which nothing of a run may be left on a host that lost it."""
TOLD = 12.0
"""Seconds in which a test may wait for that, and to see that it took no longer."""
BEGUN = 60.0
"""Seconds in which a run on a busy machine has ended its first scenario."""
PLAIN = "continues_on_the_destination and (tcp or exec)"
ONE = (str(ROOT / "suites" / "test_success.py"), "-k", "continues_on_the_destination and tcp")
DISKS = (str(ROOT / "suites" / "test_storage.py"), "-k", "raw and not nfs")
LONG = (str(ROOT / "suites" / "test_success.py"), "-k", PLAIN, "--loop", "100")
"""A run that does not end by itself before something is done to it."""


@dataclass
class Two:
    """Two hosts that outlive a run."""

    inventory: str
    process: subprocess.Popen[str]

    def do(self, command: str) -> None:
        """Do something to a link."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "# ok":
            pytest.skip(f"{command}: {answer}")

    def remains(self, host: str) -> list[str]:
        """Return what a run has in a host's folder of temporary files."""
        lines = Path(self.inventory).read_text().splitlines()
        key = next(line for line in lines if line.startswith("key ="))
        there = Path(key.split('"')[1]).parent / f"tmp_{host}"
        return [str(path.relative_to(there)) for path in there.glob("landfall-*/**/*")]


def made(tmp_path: Path, *words: str) -> Iterator[Two]:
    """Make two hosts, and remove them."""
    process = subprocess.Popen(
        [sys.executable, str(HOSTS / "make.py"), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    text = "".join(iter(process.stdout.readline, "# ready\n"))
    if process.poll():
        pytest.skip(f"no two hosts here: status {process.returncode}")
    (tmp_path / "inventory.toml").write_text(text)
    try:
        yield Two(str(tmp_path / "inventory.toml"), process)
    finally:
        process.communicate(timeout=TOLD)


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Two]:
    """Make two hosts on the loopback interface."""
    yield from made(tmp_path, "loopback")


@pytest.fixture
def namespaces(tmp_path: Path) -> Iterator[Two]:
    """Make two hosts in network namespaces."""
    yield from made(tmp_path, "netns")


def await_that(
    condition: Callable[[], object],
    what: str,
    seen: Callable[[], object],
    within: float = TOLD,
) -> None:
    """Wait until something holds."""
    Bell().wait(condition, within=within, what=what, seen=seen, look_every=0.05)


def test_guest_is_moved_between_two_hosts() -> None:
    """The suites run unchanged with each side on a host of its own."""
    with qualify("-k", PLAIN, "--inventory", LOOPBACK) as run:
        ended = run.ended()

        assert ended.status == 0, ended.output + ended.errors
        assert list(ended.verdicts.values()) == ["kept", "kept"]
        assert run.left(SOON) == []


def test_disks_are_there_without_a_shared_folder(tmp_path: Path) -> None:
    """Hosts that share no folder have a guest's disk by NBD, or by a mirror."""
    words = ("--apart", "--with", "qemu-nbd")
    for two in made(tmp_path, "loopback", *words):
        with qualify(*DISKS, "--inventory", two.inventory, profile="default") as run:
            ended = run.ended()

        assert ended.status == 0, ended.output + ended.errors
        assert list(ended.verdicts.values()) == ["unable", "kept", "kept", "kept"]
        assert two.remains("alpha") + two.remains("beta") == []


def test_only_the_destination_may_be_far(loopback: Two) -> None:
    """Any one side may be the runner's own machine."""
    words = ("--inventory", loopback.inventory, "--src-host", "local", "--dst-host", "beta")
    with qualify("-k", PLAIN, *words) as run:
        ended = run.ended()

    assert ended.status == 0, ended.output + ended.errors
    assert loopback.remains("beta") == []


def test_only_the_source_may_be_far(loopback: Two) -> None:
    """Any one side may be the runner's own machine."""
    words = ("--inventory", loopback.inventory, "--src-host", "alpha", "--dst-host", "local")
    with qualify("-k", PLAIN, *words) as run:
        ended = run.ended()

    assert ended.status == 0, ended.output + ended.errors
    assert loopback.remains("alpha") == []


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("unknown-key", "its host key (ssh-ed25519 "),
        ("wrong-key", "its host key is not the one in "),
        ("wrong-user", "does not let nobody-here in with the key "),
        ("no-qemu", "on host beta: no such file, and not one of "),
        ("refused", "refuses the connection; is sshd running there"),
        ("silent", "does not answer, or not as an ssh server does, in 2 s"),
    ],
)
def test_host_that_cannot_be_used_is_told(tmp_path: Path, broken: str, told: str) -> None:
    """What is wrong with a host is one line and exit status 4, in bounded time."""
    for two in made(tmp_path, "loopback", "--broken", broken):
        with qualify("-k", PLAIN, "--inventory", two.inventory) as run:
            ended = run.ended()

        assert ended.status == 4
        [line] = [line for line in (ended.output + ended.errors).splitlines() if "ERROR" in line]
        assert "host beta" in line
        assert told in line
        assert two.remains("alpha") == []


def test_kvm_that_a_host_has_not_is_told(loopback: Two, no_kvm: str) -> None:
    """KVM asked for where a host's runs no guest is one line that names the host."""
    words = ("--accel", "kvm", "--inventory", loopback.inventory)
    with qualify("-k", PLAIN, *words) as run:
        ended = run.ended()

    assert ended.status == 4
    [line] = [line for line in ended.errors.splitlines() if "ERROR" in line]
    assert "--accel kvm: /dev/kvm on host alpha " in line
    assert no_kvm.removeprefix("/dev/kvm ") in line


def test_nothing_is_left_of_a_killed_run(loopback: Two) -> None:
    """A runner that is killed with SIGKILL leaves nothing on either host within 10 s."""
    with qualify(*LONG, "--inventory", loopback.inventory) as run:
        for host in ("alpha", "beta"):
            await_that(lambda h=host: loopback.remains(h), "it to be there", lambda: "nothing")  # type: ignore[misc]

        run.strike(signal.SIGKILL)
        begun = time.monotonic()

        for host in ("alpha", "beta"):
            await_that(
                lambda h=host: not loopback.remains(h),  # type: ignore[misc]
                "all to be gone",
                lambda h=host: loopback.remains(h),  # type: ignore[misc]
            )
        assert time.monotonic() - begun < SOON


def test_host_that_falls_silent_is_told_and_cleans_up(namespaces: Two) -> None:
    """A host whose packets are lost in silence makes errors, no conviction, and cleans up."""
    with qualify(*LONG, "-x", "--inventory", namespaces.inventory) as run:
        await_that(lambda: len(namespaces.remains("beta")) > 1, "a guest", lambda: "nothing")

        namespaces.do("down alpha")  # no packet comes through, and nobody is told
        begun = time.monotonic()

        await_that(
            lambda: not namespaces.remains("alpha"),
            "all to be gone",
            lambda: namespaces.remains("alpha"),
        )
        assert time.monotonic() - begun < SOON
        ended = run.ended()
        assert ended.status == 3, ended.output + ended.errors
        assert "broken" not in ended.verdicts.values()
        assert "host alpha" in ended.output, ended.output


def test_lost_host_comes_back(namespaces: Two) -> None:
    """A host that was lost and answers again has its next scenario kept, on a new connection."""
    with qualify(*ONE, "--loop", "12", "--inventory", namespaces.inventory) as run:
        await_that(lambda: " kept " in run.output, "a scenario", lambda: run.output, BEGUN)

        namespaces.do("down beta ssh")
        begun = time.monotonic()
        await_that(
            lambda: not namespaces.remains("beta"),
            "all to be gone",
            lambda: namespaces.remains("beta"),
        )
        assert time.monotonic() - begun < SOON
        namespaces.do("up beta ssh")

        ended = run.ended()
    verdicts = [one["verdict"] for one in ended.scenarios]
    reasons = [one["reason"] for one in ended.scenarios if one["verdict"] == "error"]
    assert ended.status == 3, ended.output + ended.errors
    assert set(verdicts) == {"kept", "error"}, reasons
    assert verdicts[-1] == "kept"
    assert len(reasons) <= 2
    assert all("host beta" in reason and "\n" not in reason for reason in reasons), reasons
    assert namespaces.remains("beta") == []


def test_host_that_is_gone_for_good_fails_fast(namespaces: Two) -> None:
    """A host that does not come back is set aside: every later scenario fails at once."""
    inventory = Path(namespaces.inventory)
    inventory.write_text(inventory.read_text().replace("timeout = 10", "timeout = 1"))
    with qualify(*ONE, "--loop", "40", "--inventory", namespaces.inventory) as run:
        await_that(lambda: " kept " in run.output, "a scenario", lambda: run.output, BEGUN)

        namespaces.do("down alpha ssh")

        ended = run.ended()
    lost = [one for one in ended.scenarios if one["verdict"] != "kept"]
    assert {one["verdict"] for one in lost} == {"error"}
    assert len(lost) > len(("the struck one", "the first", "the second", "the third"))
    assert all("host alpha" in one["reason"] for one in lost)
    assert "alpha is set aside: it failed three times; the last: " in lost[-1]["reason"]
    [told] = ended.document["run"]["set_aside"]
    assert told.startswith("host alpha is set aside")
    assert "Hosts set aside (1)" in ended.output


def test_doctor_tells_of_each_host(tmp_path: Path) -> None:
    """One good host and one broken: each is told, with what to do, and the status says so."""
    for two in made(tmp_path, "loopback", "--broken", "wrong-key"):
        with command("-m", "landfall", "doctor", "--inventory", two.inventory) as doctor:
            ended = doctor.ended()

    lines = ended.output.splitlines()
    assert ended.status == 4
    assert any(line.startswith("ok  host alpha") for line in lines)
    assert any("its clock" in line and "give or take" in line for line in lines)
    assert any("alpha: gzip" in line and "not there" in line for line in lines)
    [broken] = [line for line in lines if line.startswith("NO  host beta")]
    assert "its host key is not the one in" in broken


def test_host_is_chosen_by_what_it_is(loopback: Two) -> None:
    """A selector finds a host by what it tells of itself; one that fits none is told why."""
    words = ("--inventory", loopback.inventory, "--dst-host")
    with qualify("-k", f"{PLAIN} and tcp", *words, "arch=x86_64,memory>=1") as run:
        ended = run.ended()
    with qualify("-k", PLAIN, *words, "memory>=99999999") as run:
        refused = run.ended()

    assert ended.status == 0, ended.output + ended.errors
    assert ended.document["run"]["hosts"]["destination"]["name"] == "alpha"
    assert refused.status == 4
    [line] = [line for line in refused.errors.splitlines() if "ERROR" in line]
    assert "no host is memory>=99999999: alpha: " in line
