# SPDX-License-Identifier: Apache-2.0
"""A slow host gets the verdicts of a fast one: deadlines and oracles give it the time it needs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.attempt import LET_GO, set_limits
from landfall.build import QemuBuild
from landfall.clock import Bell
from landfall.errors import GuestSilent, HarnessError, Missing, Undecided
from landfall.first_word import FirstWord, seconds_to_speak
from landfall.guest import Guest
from landfall.history import UNSCALED, History, Side
from landfall.host import LocalHost
from landfall.machine import Machine
from landfall.oracles import time
from landfall.reactor import Reactor
from landfall.slowness import MOST, bounded, by_shell, told
from landfall.stage import Stage
from landfall.vm import VM
from tests import life
from tests.command import ROOT, qualify
from tests.life import beats, moved, with_destination

SHARE = 0.03
"""Of its time, how much a braked QEMU runs."""


def test_deadline_is_as_much_longer_as_a_host_is_slow() -> None:
    """A wait for something on a slow host takes that much longer until it gives up."""
    bell = Bell()
    bell.slowness = lambda: 3.0

    with pytest.raises(Undecided, match=r"waited 0\.3 s for a miracle"):
        bell.wait(lambda: None, within=0.1, what="a miracle")


def test_command_on_a_slow_host_has_more_time(host: LocalHost) -> None:
    """A command that an ordinary host would have ended by now is let run on a slow one."""
    with LocalHost() as slow:
        slow.slowness = MOST

        assert slow.run(["sleep", "0.2"], 0.1).status == 0
    with pytest.raises(HarnessError, match="did not end in"):
        host.run(["sleep", "5"], 0.1)


@pytest.mark.parametrize(
    ("seconds", "slow"), [(0.1, 1.0), (0.5, 1.0), (5.0, 10.0), (1e9, MOST)], ids=str
)
def test_slowness_has_bounds(seconds: float, slow: float) -> None:
    """No deadline gets shorter, and none endless."""
    assert bounded(seconds, 0.5) == slow


def test_shell_of_a_slow_host_tells_it(host: LocalHost) -> None:
    """What a shell does on a host that takes ten times as long for it makes it slow."""

    class Slow:
        def run(self, argv: Sequence[str], within: float) -> object:
            return host.run(["/bin/sh", "-c", f"sleep 1; {argv[2]}"], within)

    assert by_shell(Slow()) > 2
    assert "times as slow" in told(by_shell(Slow()))


def test_stage_is_as_slow_as_its_slowest_host(stage: Stage) -> None:
    """Of two hosts the slower one counts, and what seconds would tell of QEMU is unable there."""
    stage.expect_no_slow_host("its down time would be the host's")
    with LocalHost() as slow:
        slow.slowness = 4.0
        there = Stage(slow, stage.reactor, stage.evidence)

        assert there.bell.slowness() == 4.0
        with pytest.raises(Missing, match=r"4\.0 times as slow .* down time would be the host's"):
            there.expect_no_slow_host("its down time would be the host's")


def jumped(seconds: float, slowness: float) -> list[str]:
    """Return what the time oracle says of a TSC that jumped, on hosts that are so slow."""
    later = beats(41, 10, at=1.12, guest_time=1.0 + seconds)
    history = with_destination(moved(), heard=(*later, life.verified(51, 1.4)))
    sides = tuple(replace(side, slowness=slowness) for side in history.sides)
    found = time.judge(replace(history, sides=sides))
    return [o.text for o in found.observations if "jumped" in o.text]


def test_oracle_bears_with_a_slow_host_and_no_further() -> None:
    """What is late on a slow host is no jump; one that its slowness does not explain still is."""
    assert jumped(0.5, slowness=1.0)
    assert not jumped(0.5, slowness=10.0)
    assert jumped(5.0, slowness=10.0)


def unscaled(history: History, hertz: float) -> History:
    """Return a history whose destination's TSC counts at another rate, with what QEMU says."""
    source, side = history.sides
    first = source.heard[-1].statement["tsc"]
    heard = tuple(
        life.beat(41 + n, 1.12 + n * life.BEAT, (first / life.HZ) + n * life.BEAT * hertz)
        for n in range(10)
    )
    warned = f"warning: TSC frequency mismatch between VM and host, and {UNSCALED}"
    changed: Side = replace(side, heard=(*heard, life.verified(51, 1.4)), stderr=warned)
    return replace(history, sides=(source, changed))


def test_tsc_of_another_rate_is_judged_by_its_direction() -> None:
    """Where no host scales a TSC, one of another rate is not accused; one that goes back is."""
    faster = unscaled(moved(), 13.0)
    source, there = faster.sides
    back = replace(there, heard=beats(41, 10, at=1.12, guest_time=0.1))

    assert not [o for o in time.judge(faster).observations if "TSC" in o.text]
    wrong = time.judge(replace(faster, sides=(source, back)))
    assert any("went back" in o.text for o in wrong.observations)


@pytest.fixture
def braked(tmp_path: Path, build: QemuBuild) -> Path:
    """A QEMU that runs for a small part of the time."""
    path = tmp_path / "braked-qemu"
    words = [sys.executable, str(ROOT / "tests" / "brake.py"), str(SHARE), build.path]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.qemu
def test_guest_on_a_slow_host_is_given_its_time(
    braked: Path, build: QemuBuild, pulse: Guest, reactor: Reactor, tmp_path: Path
) -> None:
    """A deadline that an ordinary host keeps is missed by a slow one, and kept when scaled."""
    with LocalHost() as here:
        slow = replace(build, path=str(braked), host=here)
        machine = Machine(pulse, vcpus=1, memory=16)

        def said_within(seconds: float) -> float:
            stage = Stage(here, reactor, here.folder("evidence"))
            vm = VM(stage, slow, machine, "slow")
            try:
                return seconds_to_speak(vm, seconds)
            finally:
                vm.bury()

        with pytest.raises(GuestSilent, match="heartbeats"):
            said_within(0.3)
        found = FirstWord(slow, pulse, "tcg", here, reactor, tmp_path).slowness()
        ordinary = replace(build, host=here)
        usual = FirstWord(ordinary, pulse, "tcg", here, reactor, tmp_path).slowness()
        assert found is not None
        assert usual is not None
        assert found > usual
        here.slowness = MOST
        assert said_within(0.3) > 0.3


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("mutation", "verdict"), [("", "kept"), ("drop-timer", "broken")], ids=["sound", "planted"]
)
def test_slow_host_gets_the_same_verdicts(braked: Path, mutation: str, verdict: str) -> None:
    """A sound migration is kept on a slow host, and a planted fault convicted: as anywhere."""
    mutate = f"{sys.executable} -m landfall.mutants {mutation}"
    through = ("--through", mutate) if mutation else ()

    with qualify(*through, "-k", "test_success and tcp", qemu=str(braked)) as run:
        ended = run.ended()

    assert set(ended.verdicts.values()) == {verdict}
    assert "times as slow" in ended.document["run"]["hosts"]["source"]["speed"]


@pytest.mark.qemu
def test_guest_is_let_go_for_longer_to_a_slow_host(
    build: QemuBuild,
    pulse: Guest,
    host: LocalHost,
    reactor: Reactor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The down time aimed at is a slow host's, but for one that shall hold a guest back."""
    vm = VM(Stage(host, reactor, tmp_path), build, Machine(pulse), "source")
    vm.start()
    vm.connect()
    monkeypatch.setattr(Stage, "slowness", property(lambda _: 3.0))
    aimed = []

    for seconds in (LET_GO, 0.001):
        set_limits(vm, None, seconds)
        aimed.append(vm.qmp.execute("query-migrate-parameters")["downtime-limit"])

    vm.bury()
    assert aimed == [900, 1]
