# SPDX-License-Identifier: Apache-2.0
"""A host of the lab from nothing: it has KVM that runs guests, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from landfall import accel
from landfall.build import find, probe
from landfall.clock import Bell
from landfall.fetch import fetched
from landfall.guest import Guest, cache_folder
from landfall.host import Host, LocalHost
from landfall.hosts import Hosts, Wanted
from landfall.reactor import Reactor

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are root's to make"),
    pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="no /dev/net/tun"),
    pytest.mark.skipif(
        {"7.2", "10.0"} - {build.name for build in fetched(cache_folder("qemu"))} != set(),
        reason="7.2 and 10.0 not fetched",
    ),
]
WHOLE = 180.0
SOON = 20.0
COMMAND = """\
import sys
from landfall.lab.command import main
sys.exit(main(sys.argv[1:], None))
"""
"""Outside of a checkout, so that no lab of its user's is disturbed."""
KEPT = ("qemu", "kernels", "guests")
"""What need not be made anew for a lab of the test's own."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache in which there was no lab before, and is none afterwards."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "landfall").mkdir()
    for name in KEPT:
        (folder / "landfall" / name).symlink_to(cache_folder(name))
    yield folder
    lab(folder, "down")


def lab(cache: Path, *words: str) -> str:
    """Return what a command about the lab says; it must succeed."""
    environment: Mapping[str, str] = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=WHOLE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def inventory(cache: Path) -> Path:
    """The inventory of a lab of one host."""
    said = lab(cache, "up", "--hosts", "amd", "--for", "10")
    path = next(line.split()[-1] for line in said.splitlines() if line.endswith("inventory.toml"))
    return Path(path)


def test_guest_runs_under_the_kvm_of_an_emulated_host(
    inventory: Path, host: LocalHost, reactor: Reactor, pulse: Guest
) -> None:
    """A guest speaks under -accel kvm on a host that was made of packages."""
    with Hosts(Wanted(inventory=str(inventory)), host) as hosts:
        (entry,) = (entry for entry in hosts.entries if not entry.is_local)
        far, told = hosts.host(entry), hosts.facts(entry)
        builds = {name: str(path) for name, path in entry.qemu.items()}
        build = probe(*find("10.0", builds, far), far)

        chosen = accel.choose("auto", (build,), pulse, host, reactor)

    assert (told.vendor, told.kvm_opens) == ("amd", True)
    assert (chosen.name, chosen.reason) == ("kvm", "a guest ran under it")


def test_what_a_command_started_ends_with_it(inventory: Path, host: LocalHost) -> None:
    """An ssh server that makes no session for a command keeps nobody's children alive."""
    with Hosts(Wanted(inventory=str(inventory)), host) as hosts:
        (entry,) = (entry for entry in hosts.entries if not entry.is_local)
        far = hosts.host(entry)
        errors = host.folder("errors") / "errors"
        words = ["sh", "-c", "sleep 500 & echo ready >&2; wait"]
        process = far.spawn(words, cwd=far.folder("work"), errors=errors)
        started = partial(sleepers, far)
        Bell().wait(started, within=SOON, what="the child", look_every=0.1)

        process.end_all()

        assert sleepers(far) == []


def sleepers(host: Host) -> list[str]:
    """Return the children of the command that are there."""
    return [line for line in host.strays().values() if line == "sleep 500"]


def test_up_and_status_tell_what_runs(cache: Path, inventory: Path) -> None:
    """A second `up` starts nothing, and says what runs, as `status` does."""
    again = lab(cache, "up", "--hosts", "amd")
    told = lab(cache, "status")

    assert str(inventory) in again
    assert "# up after" not in again
    for said in (again, told):
        assert "0 restarts" in said
        assert "lets us in by ssh" in said


def test_nothing_of_a_lab_is_left(cache: Path, inventory: Path) -> None:
    """After `down` there is no process, no link and no file of it."""
    assert inventory.is_file()

    lab(cache, "down")

    assert not (cache / "landfall" / "lab" / "up").exists()
    assert not inventory.exists()
    mine = str(cache).encode()
    assert not any(mine in line for line in command_lines())


def command_lines() -> Iterator[bytes]:
    """Yield what every process here was started by, but for ours."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if int(process.name) != os.getpid():
            yield line
