# SPDX-License-Identifier: Apache-2.0
"""A guest's kernel is the one named, a package's or an installed one; or every reason why not."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from landfall.errors import HarnessError, Missing
from landfall.guest import Guest
from landfall.host import LocalHost
from landfall.linux import kernel, package
from landfall.packages import Distribution
from tests.made_kernel import RELEASE, bzimage, installed, module, pvh_note, vmlinux

PVH = lzma.compress(vmlinux(note=pvh_note()))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a machine of no known distribution with nothing installed."""
    monkeypatch.setattr(Distribution, "here", lambda: Distribution("slackware", ""))
    monkeypatch.setattr(kernel, "ROOT", tmp_path / "machine")
    return tmp_path / "machine"


def a_package(folder: Path, *, with_kernel: bool = True) -> Path:
    """Make a Debian package of a kernel."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("no program dpkg-deb")
    root = folder / "package"
    (root / "DEBIAN").mkdir(parents=True)
    about = "Package: linux-image-made\nVersion: 1\nArchitecture: amd64\n"
    (root / "DEBIAN/control").write_text(f"{about}Maintainer: x <x@x.example>\nDescription: x\n")
    if with_kernel:
        installed(root)
    file = folder / "linux-image-made_1_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", root, file], check=True, capture_output=True)
    return file


def test_nothing_anywhere(machine: Path, cache: Path, host: LocalHost) -> None:
    """Where there is no kernel, one line tells why each way had none, and what to do."""
    with pytest.raises(Missing) as caught:
        kernel.find("", 64, host, cache)

    assert str(caught.value) == (
        "there is no 64-bit kernel: no package: 64-bit kernels are fetched from debian and "
        "ubuntu, and this machine runs slackware; no boot/vmlinuz-VERSION under "
        f"{machine}; name one with --guest-kernel PATH"
    )


def test_installed_kernel(machine: Path, cache: Path, host: LocalHost) -> None:
    """An installed kernel is used with the modules that are installed, unpacked for PVH."""
    path = installed(machine)

    found = kernel.find("", 64, host, cache)

    assert (found.name, found.bits, found.note) == (RELEASE, 64, "")
    assert found.image.read_bytes() == vmlinux(note=pvh_note())
    assert found.modules == machine / "lib/modules" / RELEASE
    assert str(found) == f"{RELEASE}, installed: {path}"
    assert kernel.outlook(64, host, cache) == str(found)


def test_newest_that_can_be_used(machine: Path, cache: Path, host: LocalHost) -> None:
    """Of installed kernels the newest counts by number that has its width and its modules."""
    for release in ("6.9.0", "6.10.0"):
        installed(machine, release=release)
    installed(machine, bzimage(PVH, 32, "6.11.0"), release="6.11.0")
    installed(machine, b"no kernel", release="6.12.0")
    shutil.rmtree(installed(machine, release="6.13.0").parents[1] / "lib/modules/6.13.0")

    assert kernel.find("", 64, host, cache).name == "6.10.0"
    assert kernel.find("", 32, host, cache).name == "6.11.0"


def test_second_look_is_quick(machine: Path, cache: Path, host: LocalHost) -> None:
    """A kernel that was found is found again without being unpacked, until it changes."""
    path = installed(machine)
    first = kernel.find("", 64, host, cache)
    stamp = first.image.stat().st_ino

    again = kernel.find("", 64, host, cache)
    path.write_bytes(bzimage(lzma.compress(vmlinux(note=pvh_note() * 2))))
    other = kernel.find("", 64, host, cache)

    assert (again, again.image.stat().st_ino) == (first, stamp)
    assert other.identity != first.identity
    assert {entry.name for entry in cache.iterdir()} == {".lock", first.identity, other.identity}


@pytest.mark.parametrize(
    ("packed", "why"),
    [(lzma.compress(vmlinux()), "it knows no PVH"), (b"\x02!L\x18 lz4", "packed in no known way")],
    ids=["no-pvh", "unknown-packing"],
)
def test_bzimage_boots_where_the_kernel_in_it_cannot(
    machine: Path, cache: Path, host: LocalHost, packed: bytes, why: str
) -> None:
    """A kernel that cannot be booted by PVH boots as it came, and it is told that it is slower."""
    path = installed(machine, bzimage(packed))

    found = kernel.find("", 64, host, cache)

    assert found.image.read_bytes() == path.read_bytes()
    assert why in found.note
    assert "slow" in found.note


@pytest.mark.parametrize("place", ["root", "image", "near"])
def test_named_kernel(tmp_path: Path, cache: Path, host: LocalHost, place: str) -> None:
    """A kernel is named by its root, by its image, or by an image with lib/modules beside it."""
    path = installed(tmp_path / "root")
    (tmp_path / "root/vmlinuz").write_bytes(path.read_bytes())
    named = {"root": tmp_path / "root", "image": path, "near": tmp_path / "root/vmlinuz"}[place]

    found = kernel.find(str(named), 64, host, cache)

    assert found.modules == tmp_path / "root/lib/modules" / RELEASE
    assert f"given as {named}" in found.origin


def test_kernel_beside_its_modules(tmp_path: Path, cache: Path, host: LocalHost) -> None:
    """Fedora's kernel, which lies in its folder of modules, is named or found there."""
    path = installed(tmp_path / "root")
    own = tmp_path / "root/lib/modules" / RELEASE
    path.rename(own / "vmlinuz")

    for named in (own / "vmlinuz", tmp_path / "root"):
        assert kernel.given(str(named), host, cache).modules == own


def test_named_package(tmp_path: Path, cache: Path, host: LocalHost) -> None:
    """A package that the user has is unpacked and kept, and its modules with it."""
    file = a_package(tmp_path)

    found = kernel.given(str(file), host, cache)
    again = kernel.given(str(file), host, cache)

    assert again == found
    assert (found.modules / "kernel/drivers/made-up.ko").read_bytes() == module(alias="pci:v1*")
    assert found.modules.is_relative_to(cache)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: a_package(folder, with_kernel=False), "no boot/vmlinuz-VERSION in it"),
        (lambda folder: _written(folder / "x.deb", b"junk"), "x.deb cannot be unpacked"),
        (lambda folder: folder / "nothing", "nothing: No such file"),
        (lambda folder: _without_modules(folder), r"there is no .*/lib/modules/6\.1\.0-1-made"),
        (lambda folder: _written(folder / "vmlinux", vmlinux()), "there is no"),
    ],
    ids=["empty-package", "no-package", "nothing", "no-modules", "elf"],
)
def test_what_cannot_be_used_is_told(
    tmp_path: Path, cache: Path, host: LocalHost, make: Callable[[Path], Path], words: str
) -> None:
    """A path that holds no kernel to be used is refused in one line, and leaves nothing."""
    with pytest.raises(Missing, match=words) as caught:
        kernel.given(str(make(tmp_path)), host, cache)

    assert "\n" not in str(caught.value)
    assert {entry.name for entry in cache.iterdir()} <= {".lock"}


def _written(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


def _without_modules(folder: Path) -> Path:
    path = installed(folder / "root")
    shutil.rmtree(folder / "root/lib")
    return path


def test_elf_that_qemu_cannot_boot(tmp_path: Path, cache: Path, host: LocalHost) -> None:
    """A vmlinux without an entry for PVH is refused: there is no bzImage to fall back on."""
    path = installed(tmp_path / "root", vmlinux())

    with pytest.raises(Missing, match=r"QEMU cannot boot .* it knows no PVH"):
        kernel.given(str(path), host, cache)


def test_named_kernel_of_another_width(
    machine: Path, tmp_path: Path, cache: Path, host: LocalHost
) -> None:
    """A named kernel serves guests of its own width; the others look elsewhere, and say so."""
    path = installed(tmp_path / "root")

    with pytest.raises(Missing, match=rf"--guest-kernel {path} has 64 bits; no package"):
        kernel.find(str(path), 32, host, cache)


def test_fetched_kernel(cache: Path, host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is fetched once; then its kernel is there without asking anybody."""
    fetched = []
    monkeypatch.setattr(package, "offered", str)

    def fetch(bits: int, work: Path, _host: LocalHost) -> package.Unpacked:
        fetched.append(bits)
        installed(work / "root")
        return package.Unpacked("linux-image-made-1-amd64", "1", "package made", work / "root")

    monkeypatch.setattr(package, "fetch", fetch)
    first = kernel.find("", 64, host, cache)
    began = time.monotonic()
    again = kernel.find("", 64, host, cache)

    assert time.monotonic() - began < 0.05
    assert fetched == [64]
    assert again == first
    assert first.identity == "linux-image-made-1-amd64"
    assert kernel.outlook(64, host, cache) == f"{RELEASE}, package made"
    kept = {path.name for path in first.image.parent.iterdir()}
    assert kept == {"kernel.json", "vmlinux", "vmlinuz", "modules"}


def test_failed_fetch_is_not_tried_by_every_worker(
    machine: Path, cache: Path, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where fetching has just failed, the reason is told again at once, and others still try."""
    tried = []
    monkeypatch.setattr(package, "offered", str)

    def fetch(bits: int, _work: Path, _host: LocalHost) -> package.Unpacked:
        tried.append(bits)
        raise Missing("no package: the mirror is down")

    monkeypatch.setattr(package, "fetch", fetch)
    for bits in (64, 64, 32):
        with pytest.raises(Missing, match="the mirror is down; no boot"):
            kernel.find("", bits, host, cache)

    assert tried == [64, 32]


class MadeApt:
    """An apt whose suite has a kernel of Ubuntu's parts."""

    DEPENDS: Mapping[str, list[str]] = {
        "linux-image-generic": [
            "linux-image-6.8.0-1-generic",
            "linux-modules-extra-6.8.0-1-generic",
            "linux-firmware",
        ],
        "linux-image-6.8.0-1-generic": ["kmod", "linux-modules-6.8.0-1-generic"],
    }

    def depends(self, name: str) -> list[str]:
        """What a package depends on."""
        return self.DEPENDS.get(name, [])


def test_parts_of_a_kernel() -> None:
    """Of all that a kernel's package depends on, the image and its modules are its parts."""
    assert package._parts("linux-image-generic", MadeApt()) == [  # type: ignore[arg-type]
        "linux-image-6.8.0-1-generic",
        "linux-modules-extra-6.8.0-1-generic",
        "linux-modules-6.8.0-1-generic",
    ]
    with pytest.raises(HarnessError, match="depends on no package of a kernel"):
        package._parts("kmod", MadeApt())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("append", "expected"),
    [
        ("", "quiet --"),
        ("rate=400 usb", "quiet -- rate=400 usb"),
        ("nosmp -- rate=400", "quiet nosmp -- rate=400"),
        ("nosmp hpet=disable --", "quiet nosmp hpet=disable --"),
        ("-- rate=400", "quiet -- rate=400"),
    ],
)
def test_command_line(append: str, expected: str) -> None:
    """Words before `--` are the kernel's, after what it is always told; the others the agent's."""
    linux = Guest("linux-64", Path("vmlinux"), 64, base=("quiet",))
    pulse = Guest("pulse-64", Path("pulse"), 64)

    assert linux.command_line(append) == expected
    assert pulse.command_line(append) == append


def test_guest_on_a_machine_that_it_does_not_know() -> None:
    """A guest's scenario is unable on a machine it does not know, or with too little memory."""
    linux = Guest("linux-64", Path("vmlinux"), 64, machines=("q35", "pc"), least=96)

    for machine in ("q35", "pc-q35-7.2", "pc", "pc-i440fx-5.2"):
        linux.require(machine, 96)
    with pytest.raises(Missing, match="runs on q35, pc, not microvm"):
        linux.require("microvm", 128)
    with pytest.raises(Missing, match="needs 96 MiB, this machine has 95"):
        linux.require("q35", 95)


@pytest.mark.network
@pytest.mark.parametrize("bits", [64, 32])
def test_fetch(cache: Path, host: LocalHost, bits: int) -> None:
    """A real kernel is fetched with the modules of real drivers, and nothing is left beside it."""
    found = kernel.find("", bits, host, cache)

    assert found.bits == bits
    assert list(found.modules.rglob("uhci-hcd.ko*"))
    names = {entry.name for entry in cache.iterdir()}
    assert names == {".lock", found.identity, f"packaged-{bits}"}
