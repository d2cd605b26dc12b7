# SPDX-License-Identifier: Apache-2.0
"""A rig for the tests that need real QEMU: pairs of VMs, moved and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from landfall import accel, fetch, guest
from landfall.build import QemuBuild, find, probe
from landfall.errors import Missing
from landfall.guest import Guest, cache_folder
from landfall.host import LocalHost
from landfall.judgement import Judgement, conclude
from landfall.keeping import can_be_kept, wake, warm_vm
from landfall.machine import Machine
from landfall.reactor import Reactor
from landfall.stage import Stage
from landfall.verdict import Verdict
from landfall.vm import VM

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def host() -> Iterator[LocalHost]:
    """This machine."""
    with LocalHost() as here:
        yield here


@pytest.fixture(scope="session")
def reactor() -> Iterator[Reactor]:
    """The loop that QMP and the guests are heard on."""
    with Reactor() as running:
        yield running


@pytest.fixture(scope="session")
def build(host: LocalHost) -> QemuBuild:
    """The soundest QEMU there is: a fetched 10.0, or else the machine's own."""
    fetched = {b.name: str(b.path) for b in fetch.fetched(cache_folder("qemu"))}
    return probe(*find("10.0" if "10.0" in fetched else "system", fetched, host), host)


@pytest.fixture(scope="session")
def pulse(host: LocalHost) -> Guest:
    """The guest pulse, 64 bits."""
    return guest.load("pulse-64", ROOT / "guests", host)


@pytest.fixture(scope="session")
def linux(host: LocalHost) -> Guest:
    """The guest linux, 64 bits."""
    try:
        return guest.load("linux-64", ROOT / "guests", host)
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def no_kvm(build: QemuBuild, pulse: Guest, host: LocalHost, reactor: Reactor) -> str:
    """Why KVM runs no guests here."""
    chosen = accel.choose("auto", (build,), pulse, host, reactor)
    if chosen.name == "kvm":
        pytest.skip("KVM runs guests here")
    return chosen.reason


@pytest.fixture
def stage(tmp_path: Path, host: LocalHost, reactor: Reactor) -> Iterator[Stage]:
    """What the VMs of a test stand on."""
    made = Stage(host, reactor, tmp_path, host.private)
    yield made
    for migration in made.migrations:
        migration.abandon()
    for vm in made.vms:
        vm.bury()
    for image in made.images:
        image.close()


@pytest.fixture
def start(stage: Stage, build: QemuBuild, pulse: Guest) -> Callable[..., tuple[VM, VM]]:
    """Start a pair: `start(through='cat', memory=16)` returns a speaking source and its twin."""

    def started(
        through: str = "", *, starts_stopped: bool = False, **changes: object
    ) -> tuple[VM, VM]:
        stage.through = through
        machine = replace(Machine(pulse, memory=16), **changes)  # type: ignore[arg-type]
        warm = machine.guest.boots_slowly and can_be_kept(machine)
        made = warm_vm if warm else partial(VM, name="source")
        source = made(stage, build, machine)
        source.start()
        destination = source.twin(starts_stopped=starts_stopped)
        destination.start()
        source.connect()
        wake(source, source.kept) if source.kept else source.wait_for_guest()
        destination.connect()
        return source, destination

    return started


@pytest.fixture
def judged(stage: Stage) -> Callable[[], Judgement]:
    """End the VMs and have the oracles judge what happened."""
    return lambda: conclude(stage)


@pytest.fixture
def broken(judged: Callable[[], Judgement]) -> Callable[[], dict[str, str]]:
    """Judge, and return the broken promises with everything said against each."""

    def promises() -> dict[str, str]:
        judgement = judged()
        said: dict[str, str] = {o.promise: o.text for o in judgement.observations}
        for finding in judgement.findings:
            if finding.verdict is Verdict.BROKEN:
                texts = [observation.text for observation in finding.observations]
                said[finding.oracle] = " | ".join(texts)
        return said

    return promises
