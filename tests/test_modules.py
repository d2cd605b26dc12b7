# SPDX-License-Identifier: Apache-2.0
"""What modules need is read from the modules themselves, and comes before them."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from landfall.errors import HarnessError, Missing
from landfall.host import LocalHost
from landfall.linux.modules import Selection, modinfo, select
from tests.made_kernel import module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A kernel's folder of modules: some need others, some are packed, one is built in."""
    folder = tmp_path / "6.1.0-1-made"
    made = {
        "drivers/usb/usb-common.ko": module(),
        "drivers/usb/usbcore.ko": module(depends="usb-common"),
        "drivers/usb/xhci-hcd.ko": module(depends="usb-common,usbcore"),
        "drivers/usb/xhci-pci.ko.xz": lzma.compress(
            module(depends="xhci-hcd,usbcore", alias=["pci:v*d*sv*sd*bc0Csc03i30*", "xhci", "a b"])
        ),
        "crypto/crc32c_generic.ko": module(alias=["crc32c", "crypto-crc32c"]),
        "crypto/crc32c-intel.ko.gz": gzip.compress(module(bits=32, alias="crc32c")),
        "lib/libcrc32c.ko": module(softdep="pre: crc32c post: usbcore"),
        "fs/jbd2.ko": module(softdep="pre: crypto-crc32c"),
        "fs/ext4.ko": module(depends="libcrc32c,mbcache", alias="fs-ext4"),
        "a/chicken.ko": module(depends="egg"),
        "a/egg.ko": module(softdep="pre: chicken"),
        "a/orphan.ko": module(depends="parent"),
    }
    for name, data in made.items():
        path = folder / "kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "modules.builtin").write_text("kernel/fs/mbcache.ko\nkernel/drivers/virtio-pci.ko\n")
    return folder


def names(selection: Selection) -> list[str]:
    """The names of what was selected, in order."""
    return [module.name for module in selection.modules]


def before(selection: Selection) -> dict[str, list[str]]:
    """What modules.dep has before each."""
    words = (line.split() for line in selection.dependencies.splitlines())
    return {first: rest for first, *rest in words}


def test_each_comes_after_what_it_needs(tree: Path, host: LocalHost) -> None:
    """A module comes with all that it needs, each before whoever needs it."""
    selection = select(["xhci_pci"], tree, host)

    assert names(selection) == ["usb_common", "usbcore", "xhci_hcd", "xhci_pci"]
    assert before(selection) == {
        "usb_common": [],
        "usbcore": ["usb_common"],
        "xhci_hcd": ["usb_common", "usbcore"],
        "xhci_pci": ["usb_common", "usbcore", "xhci_hcd"],
    }


@pytest.mark.parametrize("name", ["xhci-pci", "xhci_pci"])
def test_dash_and_underscore_are_one(tree: Path, host: LocalHost, name: str) -> None:
    """A module is found by either spelling, and called as the kernel calls it."""
    assert names(select([name], tree, host))[-1] == "xhci_pci"


def test_soft_dependency_on_what_several_can_do(tree: Path, host: LocalHost) -> None:
    """Whatever can do what a soft dependency names is loaded before, where it was asked for."""
    selection = select(["ext4", "crc32c_intel", "crc32c_generic"], tree, host)

    assert before(selection)["ext4"] == ["crc32c_generic", "crc32c_intel", "libcrc32c"]
    assert "usbcore" not in names(selection)
    assert "mbcache" not in names(selection)


def test_wish_may_be_an_alias_with_a_hyphen(tree: Path, host: LocalHost) -> None:
    """A soft dependency on `crypto-crc32c`, as ext4 of Linux 6.1 has it, is on what offers it."""
    selection = select(["jbd2", "crc32c_generic"], tree, host)

    assert before(selection)["jbd2"] == ["crc32c_generic"]


def test_soft_dependency_that_is_not_there(tree: Path, host: LocalHost) -> None:
    """A soft dependency that nothing fulfils is no trouble."""
    assert before(select(["libcrc32c"], tree, host)) == {"libcrc32c": []}


def test_modules_that_need_each_other(tree: Path, host: LocalHost) -> None:
    """A circle of dependencies comes to an end, with each module once."""
    selection = select(["chicken"], tree, host)

    assert sorted(names(selection)) == ["chicken", "egg"]
    assert before(selection) == {"chicken": ["egg"], "egg": ["chicken"]}


def test_aliases_are_those_of_what_is_in(tree: Path, host: LocalHost) -> None:
    """Each alias of each module that was selected is a line of two words, and no other's."""
    assert select(["xhci-pci"], tree, host).aliases.splitlines() == [
        "pci:v*d*sv*sd*bc0Csc03i30* xhci_pci",
        "xhci xhci_pci",
    ]


def test_built_in_and_absent_are_told(tree: Path, host: LocalHost) -> None:
    """What a kernel has built in, or not at all, is no trouble, and is told."""
    selection = select(["virtio_pci", "warp_drive"], tree, host)

    assert selection == Selection((), ("virtio_pci",), ("warp_drive",))


def test_missing_need_is_told(tree: Path, host: LocalHost) -> None:
    """A module whose need is neither there nor built in is a damaged tree."""
    with pytest.raises(HarnessError, match="orphan needs parent"):
        select(["orphan"], tree, host)


@pytest.mark.parametrize("name", ["usbcore.ko", "usbcore.ko.xz", "usbcore.ko.gz"])
@pytest.mark.parametrize("damage", [b"", b"\x7fELF", module()[:80], b"junk" * 40])
def test_damaged_module_is_told(tree: Path, host: LocalHost, name: str, damage: bytes) -> None:
    """A module that cannot be read is told by its path, in one line."""
    place = tree / "kernel/drivers/usb"
    (place / "usbcore.ko").unlink()
    (place / name).write_bytes(damage)

    with pytest.raises(HarnessError, match="usbcore") as caught:
        select(["usbcore"], tree, host)

    assert "\n" not in str(caught.value)


def test_zstd(tree: Path, host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules packed by zstd are unpacked by the program; without it the scenario is unable."""
    if not shutil.which("zstd"):
        pytest.skip("no program zstd")
    place = tree / "kernel/drivers/usb"
    for name in ("usbcore.ko", "usb-common.ko"):
        subprocess.run(["zstd", "-q", "--rm", place / name], check=True)

    assert names(select(["usbcore"], tree, host)) == ["usb_common", "usbcore"]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Missing, match="packed by zstd; install zstd"):
        select(["usbcore"], tree, host)


@pytest.mark.parametrize("bits", [32, 64])
def test_modinfo(bits: int) -> None:
    """Every pair of .modinfo is read, of 32 bits and of 64."""
    assert list(modinfo(module(bits, license="GPL", alias=["a", "b=c"]))) == [
        ("license", "GPL"),
        ("alias", "a"),
        ("alias", "b=c"),
    ]
