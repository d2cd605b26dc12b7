# SPDX-License-Identifier: Apache-2.0
"""What an Intel host boots: a kernel that is entered unpacked, and the machine around it."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.clock import Bell
from landfall.errors import HarnessError
from landfall.guest import Guest
from landfall.host import LocalHost
from landfall.lab import bochs, description, emulator, pvh
from landfall.lab.parts import Parts
from landfall.packages import run
from tests.test_lab import IMAGE, NETWORK

SOURCE = description.folder() / "pvh"
HEADER = struct.pack("<I", 0x1BADB002)
WITHIN = 30.0
(HOST,) = description.chosen("intel", description.folder())
BOOT = emulator.Boot(HOST, IMAGE, f"{NETWORK}.21")
EMULATOR = bochs.Bochs(Parts(Path("/p"), ()), description.folder() / "bochsrc", Path("/c/kernel"))


def test_loader_finds_the_kernel_where_it_wants_to_be(linux: Guest, host: LocalHost) -> None:
    """The file has a Multiboot header where loaders look, and the kernel's bytes at 16 MiB."""
    made = pvh.multiboot(linux.kernel.read_bytes(), SOURCE, host)

    first, second, *_ = pvh._segments(made)
    assert HEADER in made[:8192]
    assert (first.address, second.address) == (2 << 20, 16 << 20)
    assert next(pvh._segments(linux.kernel.read_bytes())).data == second.data


def test_kernel_without_pvh_is_refused(pulse: Guest, host: LocalHost) -> None:
    """A kernel that says no entry is told of, and nothing is made of it."""
    with pytest.raises(HarnessError, match="knows no PVH"):
        pvh.multiboot(pulse.kernel.read_bytes(), SOURCE, host)


@pytest.mark.qemu
def test_kernel_is_entered_with_its_words_memory_and_initramfs(
    linux: Guest, build: QemuBuild, host: LocalHost
) -> None:
    """Booted by a Multiboot loader, a kernel knows its words, the memory and its RAM disk."""
    folder = host.folder("multiboot")
    (folder / "kernel").write_bytes(pvh.multiboot(linux.kernel.read_bytes(), SOURCE, host))
    console = folder / "console"
    words = [
        build.path, "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", str(folder / "kernel"), "-initrd", str(linux.initrd),
        "-append", "console=ttyS0 panic=-1 lab.name=nobody", "-serial", f"file:{console}",
    ]  # fmt: skip

    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            Bell().wait(lambda: said(console, "RAMDISK: ["), within=WITHIN, what="a RAM disk")
        finally:
            process.kill()

    assert said(console, "Linux version 6.")
    assert said(console, "lab.name=nobody")
    assert said(console, "[mem 0x0000000000100000-0x000000000ff")


def said(console: Path, words: str) -> bool:
    """Whether a kernel said some words."""
    return console.exists() and words in console.read_text(errors="replace")


def test_machine_is_the_one_that_was_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor, card and console of a Bochs are its host's; nothing is left to be filled in."""
    monkeypatch.setattr(bochs.Bochs, "_burn", lambda *_: None)

    EMULATOR.prepare(BOOT, tmp_path)

    told = (tmp_path / "intel.bochsrc").read_text()
    assert "cpu: model=corei7_haswell_4770, count=1" in told
    assert f"mac={HOST.mac}, ethmod=tuntap, ethdev=/dev/net/tun:tap21" in told
    assert "dev=intel.console" in told
    assert "{" not in told
    assert (tmp_path / "intel.go").read_text() == "c\n"


def test_menu_tells_the_kernel_who_it_is() -> None:
    """What the boot loader is told has the host's name and address, and the initramfs."""
    told = bochs.MENU.format(words=BOOT.words)

    assert f"lab.name=intel lab.address={NETWORK}.21/24 --- initramfs" in told


def test_sources_are_built_without_a_word(tmp_path: Path) -> None:
    """What enters a kernel is built with gcc and binutils, warnings being errors."""
    run([str(SOURCE / "build.sh"), "0x1000000", str(tmp_path / "pvh")])

    assert (tmp_path / "pvh").read_bytes().startswith(b"\x7fELF\1")
