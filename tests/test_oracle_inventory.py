# SPDX-License-Identifier: Apache-2.0
"""The oracle `inventory` convicts what is missing, doubled or out of order, and nothing else."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.census import census, counted
from landfall.history import Cargo, History
from landfall.migration import migrate, save
from landfall.nic import nics
from landfall.oracles import inventory
from landfall.stream.tail import read_tail
from landfall.transport import EXEC_FILE, TCP, Transport
from landfall.verdict import Verdict
from landfall.vm import VM
from tests.stream import made

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
SECTIONS = (("timer", 0), ("cpu", 0), ("cpu", 1), ("0000:00:02.0/e1000", 0))
SOUND = Cargo("source", "destination", {"timer": 1, "cpu": 2, "e1000": 1}, *(SECTIONS,) * 3)
TREE = """
/machine (pc-q35-10.0-machine)
  /unattached (container)
    /device[0] (qemu64-x86_64-cpu)
      /lapic (apic)
    /device[1] (hpet)
    /device[2] (hpet)
"""


def said(cargo: Cargo) -> list[str]:
    """Return what the oracle observes."""
    return [o.text for o in inventory.judge(History("tcg", 2, cargoes=(cargo,))).observations]


def test_whole_stream_is_kept() -> None:
    """A stream that has what its machine has is in order, and tells how much that was."""
    finding = inventory.judge(History("tcg", 2, cargoes=(SOUND,)))

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"sections": 4}


def test_it_does_not_apply_where_no_stream_was_seen() -> None:
    """Where nobody looked at a stream, the oracle says so."""
    assert inventory.judge(History("tcg", 2)).reason == "no stream was seen on its way"


@pytest.mark.parametrize(
    ("arrived", "words"),
    [
        (SECTIONS[1:], "says that it has the section «timer», and arrived without it"),
        ((*SECTIONS, SECTIONS[2]), "«cpu» (instance 1) arrived 2 times"),
        ((*SECTIONS, ("hpet", 0)), "the section «hpet» arrived, and the stream does not speak"),
        ((*SECTIONS[1:], SECTIONS[0]), "«cpu» arrived where «timer» should have"),
    ],
    ids=["lost", "doubled", "strange", "moved"],
)
def test_what_arrived_is_held_against_what_was_said(
    arrived: tuple[tuple[str, int], ...], words: str
) -> None:
    """What the stream says of itself is what must have arrived."""
    (text,) = said(replace(SOUND, arrived=arrived))

    assert words in text


def test_device_that_was_never_sent_is_missed() -> None:
    """A device of the machine's that the source did not send is named."""
    sent = SECTIONS[:2] + SECTIONS[3:]

    (text,) = said(Cargo("source", "destination", SOUND.has, sent, sent, sent))

    assert "has 2 devices whose state is called «cpu», and its stream had 1 such section" in text


@pytest.mark.parametrize("name", inventory.MAY_BE_ABSENT)
def test_what_is_sent_on_a_condition_may_be_absent(name: str) -> None:
    """A device whose state is only sent when it was used is not missed."""
    assert said(replace(SOUND, has={**SOUND.has, name: 8})) == []


def test_objects_are_counted_by_their_sections() -> None:
    """A machine's objects have the sections that the build says, or the table."""
    found = counted(TREE, {"hpet": "hpet"})

    assert found == {
        "timer": 1, "globalstate": 1, "acpi_build": 1, "cpu": 1, "cpu_common": 1, "apic": 1,
        "hpet": 2,
    }  # fmt: skip


def test_end_of_a_stream_is_read_without_the_rest() -> None:
    """The devices at a stream's end are found when what is before them is missing."""
    whole = made.whole()
    tail = read_tail(whole)
    assert tail is not None
    assert [name for name, _ in tail.held] == ["timer", "cpu", "cpu", "disk"]
    first = whole.index(b"\x05timer") - 5

    assert read_tail(whole[first - 3 :]) == tail
    assert read_tail(whole[first + 300 :]) is None
    assert read_tail(b"") is None


@pytest.mark.qemu
@pytest.mark.parametrize("transport", [TCP, EXEC_FILE], ids=str)
@pytest.mark.parametrize(
    ("mutant", "words"),
    [
        ("drop-pckbd", "it has the section «pckbd», and arrived without it"),
        ("double-serial", "the section «serial» arrived 2 times"),
        ("timer-last", "the section «cpu_common» arrived where «timer» should have"),
    ],
)
def test_planted_loss_is_seen(
    start: Start, broken: Broken, transport: Transport, mutant: str, words: str
) -> None:
    """A section that is dropped, doubled or moved on its way is seen, whatever the guest says."""
    through = shlex.join([sys.executable, "-m", "landfall.mutants", mutant])
    source, destination = start(through=through)

    migrate(source, to=destination, via=transport)

    assert words in broken()["inventory"]


@pytest.mark.qemu
@pytest.mark.parametrize("machine", ["q35", "pc", "microvm"])
def test_every_device_of_a_machine_is_sent(start: Start, tmp_path: Path, machine: str) -> None:
    """What a machine has, by its object tree, is what it sends: nothing is missed by mistake."""
    cards = nics("virtio-net-pci", "e1000") if machine != "microvm" else ()
    source, _ = start(type=machine, devices=cards)

    saved = save(source, via=EXEC_FILE)

    assert saved.outcome().status == "completed"
    assert saved.attempt.cargo is not None
    assert census(source) == saved.attempt.cargo.has
    assert len(saved.attempt.cargo.sent) > 10
    assert said(saved.attempt.cargo) == []
