# SPDX-License-Identifier: Apache-2.0
"""Round trips on real QEMU: what is the same is kept, and each planted fault is told."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, SOUND, Command, Ended, command, qualify

pytestmark = pytest.mark.qemu

SOON = 8.0
"""Seconds after which nothing may be left of a run that was killed."""
OWN = {"e1000": "0000:00:01.0/e1000 0", "usb-tablet": "0000:00:01.0/1/usb-ptr 0"}
"""Devices, and what of the stream is each one's."""


def spoiled(filter_: str) -> str:
    """Return a command that spoils one thing in a stream."""
    return shlex.join([sys.executable, "-m", *shlex.split(filter_)])


def devices(*names: str, through: str = "", words: tuple[str, ...] = ()) -> Any:
    """Start `landfall state devices` for some devices."""
    chosen = [word for name in names for word in ("--device", name)]
    filtered = ["--through", through] if through else []
    builds = ("--src-qemu", SOUND)
    return command("-m", "landfall", "state", "devices", *builds, *chosen, *filtered, *words)


def rows(ended: Ended) -> dict[str, Any]:
    """Return the rows of a run that told them as JSON: device to row."""
    return {row["device"]: row for row in json.loads(ended.output)["devices"]}


def test_devices_are_kept_with_what_is_theirs() -> None:
    """Devices on different buses make the trip; each is known by its own section."""
    with devices(*OWN, "edu", words=("--json",)) as run:
        ended = run.ended()

    told = rows(ended)
    assert ended.status == 0, ended.errors
    assert {row["verdict"] for row in told.values()} == {"kept"}
    assert [name for name, section in OWN.items() if section not in told[name]["sections"]] == []
    assert told["edu"]["sections"] == []


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        (spoiled("landfall.mutants.adjust hpet config +2"), "hpet: config was 0, is 2"),
        (
            spoiled("landfall.mutants.adjust ps2kbd scancode_set -1"),
            "ps2kbd: scancode_set was 2, is 1",
        ),
        ("LC_ALL=C sed s/SeaBIOS/SeaBIAS/g", "ram: pc.bios "),
    ],
    ids=["hpet", "keyboard", "memory"],
)
def test_planted_fault_is_told(filter_: str, said: str) -> None:
    """One number, or one byte of memory, that did not arrive as it was sent, is named."""
    with devices("e1000", through=filter_, words=("--json",)) as run:
        ended = run.ended()

    told = rows(ended)["e1000"]
    assert ended.status == 1
    assert told["verdict"] == "broken"
    assert told["words"][0].startswith(said)


@pytest.mark.parametrize(
    ("words", "verdict"), [((), "kept"), (("--firmware",), "broken")], ids=["reset", "firmware"]
)
def test_firmware_makes_a_lost_section_show(words: tuple[str, ...], verdict: str) -> None:
    """A section that says what a reset says anyhow is no loss; once a firmware ran it is one."""
    with devices(
        "e1000", through=spoiled("landfall.mutants drop-timer"), words=("--json", *words)
    ) as run:
        told = rows(run.ended())["e1000"]

    assert told["verdict"] == verdict
    assert all(said.startswith("timer: ") for said in told["words"])


def test_device_that_a_firmware_set_up_is_kept() -> None:
    """What a firmware did to a device goes with it."""
    with devices("virtio-blk-pci", words=("--json", "--firmware")) as run:
        told = rows(run.ended())["virtio-blk-pci"]

    assert told["verdict"] == "kept"
    assert "isa-debugcon,iobase=0x402,chardev=firmware" in told["options"]


def test_stream_that_is_refused_is_told_in_qemus_words() -> None:
    """A stream that ends in the midst is refused, and the row says so."""
    with devices("e1000", through="head -c 20000", words=("--json",)) as run:
        ended = run.ended()

    told = rows(ended)["e1000"]
    assert told["verdict"] == "broken"
    assert "while it loaded what was saved" in told["words"][0]


def test_filter_that_fails_accuses_nobody() -> None:
    """A command on the way that fails is the user's: an error, and no device is broken by it."""
    with devices("e1000", through="exit 3", words=("--json",)) as run:
        ended = run.ended()

    assert ended.status == 3
    assert rows(ended)["e1000"]["verdict"] == "error"


def test_device_that_cannot_be_has_its_reason() -> None:
    """One that QEMU calls unmigratable, and one that it does not make, are told in its words."""
    with devices("usb-net", "vfio-pci", words=("--json",)) as run:
        ended = run.ended()

    told = rows(ended)
    assert ended.status == 0
    assert {row["verdict"] for row in told.values()} == {"unable"}
    assert told["usb-net"]["reason"] == "QEMU calls it unmigratable"
    assert "non-migratable device" in told["usb-net"]["words"][0]
    assert "VFIO" in told["vfio-pci"]["reason"]


def test_crash_is_known_and_leaves_its_evidence(tmp_path: Path) -> None:
    """A QEMU that a device ends is in the register; its command line and stream are left."""
    with devices("pci-serial-2x", words=("--json", "--keep", str(tmp_path))) as run:
        ended = run.ended()

    told = rows(ended)["pci-serial-2x"]
    assert ended.status == 0
    assert told["verdict"] == "known"
    assert "SIGSEGV while it was saved" in told["words"][0]
    kept = tmp_path / "pci-serial-2x"
    assert "pci-serial-2x" in (kept / "source.command").read_text()
    assert (kept / "before").exists()


def expect_nothing_left(run: Command) -> None:
    """Fail when anything is left of a run."""
    assert run.left(SOON) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_run_that_is_ended(number: signal.Signals) -> None:
    """However the command is ended, no QEMU and no file of it stay."""
    with devices() as run:
        run.wait_for_process("-incoming defer")
        run.strike(number)

        expect_nothing_left(run)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "no-such"), "lists no device no-such"),
        (("--src-qemu", "/no/qemu"), "no QEMU build '/no/qemu'"),
        (("--json", "--markdown"), "not allowed with argument"),
        (("--keep", "/proc/nowhere"), "--keep /proc/nowhere: "),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], said: str) -> None:
    """What cannot be is refused in one line, and nothing is left of it."""
    with command("-m", "landfall", "state", "devices", *words) as run:
        ended = run.ended()

        assert ended.status == 4
        assert len(ended.errors.strip().splitlines()) == 1
        assert said in ended.errors
        expect_nothing_left(run)


# -- the suite --------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        ("landfall.mutants.adjust ps2kbd scancode_set -1", "ps2kbd: scancode_set was 2, is 1"),
        ("landfall.mutants drop-timer", "timer: cpu_ticks_offset was "),
    ],
    ids=["keyboard", "dropped-section"],
)
def test_suite_sees_what_no_guest_depends_on(filter_: str, said: str) -> None:
    """A keyboard that nobody types on, and a section that is gone, break the promise `state`."""
    chosen = ("-k", "loaded and q35 or wire")
    with qualify(
        str(ROOT / "suites" / "test_state.py"),
        *chosen,
        "--through",
        spoiled(filter_),
        profile="default",
    ) as run:
        ended = run.ended()

    assert ended.status == 1
    assert set(ended.verdicts.values()) == {"broken"}
    reasons = [scenario["reason"] for scenario in ended.scenarios]
    assert all(said in reason for reason in reasons)
    assert all("does not say of the machine what the source said" in text for text in reasons)
