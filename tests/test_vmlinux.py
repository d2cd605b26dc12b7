# SPDX-License-Identifier: Apache-2.0
"""The kernel inside a bzImage is found, unpacked and told from what is none."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.errors import Missing
from landfall.host import LocalHost
from landfall.linux import vmlinux as reading
from tests.made_kernel import RELEASE, bzimage, pvh_note, vmlinux


def by_zstd(plain: bytes) -> bytes:
    """Pack with the program, as there is no module for it before Python 3.14."""
    if not shutil.which("zstd"):
        pytest.skip("no program zstd")
    return subprocess.run(["zstd", "-qc"], input=plain, capture_output=True, check=True).stdout


def by_lzma(plain: bytes) -> bytes:
    """Pack as lzma did before xz."""
    return lzma.compress(plain, lzma.FORMAT_ALONE)


def not_at_all(plain: bytes) -> bytes:
    """Leave it as it is."""
    return plain


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    "pack",
    [lzma.compress, by_lzma, gzip.compress, bz2.compress, by_zstd, not_at_all],
    ids=["xz", "lzma", "gzip", "bzip2", "zstd", "plain"],
)
def test_kernel_is_unpacked(
    tmp_path: Path, host: LocalHost, pack: Callable[[bytes], bytes], bits: int
) -> None:
    """A kernel comes out of a bzImage as it was packed, with its release and its width."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage(pack(vmlinux(bits)), bits))

    image = reading.read(path)

    assert (image.release, image.bits) == (RELEASE, bits)
    assert image.unpacked(host).startswith(vmlinux(bits))


@pytest.mark.parametrize("bits", [32, 64])
def test_elf_kernel_is_taken_as_it_is(tmp_path: Path, host: LocalHost, bits: int) -> None:
    """A vmlinux says its own release, and needs no unpacking."""
    path = tmp_path / "vmlinux"
    path.write_bytes(vmlinux(bits))

    image = reading.read(path)

    assert (image.release, image.bits, image.is_packed) == (RELEASE, bits, False)
    assert image.unpacked(host) == vmlinux(bits)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    ("note", "boots"),
    [
        (pvh_note(), True),
        (pvh_note(3, b"GNU\0") + pvh_note(), True),
        (pvh_note(17), False),
        (pvh_note(18, b"GNU\0"), False),
        (b"", False),
        (b"\xff" * 40, False),
    ],
    ids=["xen", "second", "other-kind", "other-name", "none", "garbage"],
)
def test_pvh_entry_is_a_note(bits: int, note: bytes, *, boots: bool) -> None:
    """A kernel boots by PVH where a note of Xen's says where to enter, and nowhere else."""
    assert reading.boots_by_pvh(vmlinux(bits, note)) == boots


@pytest.mark.parametrize("length", [5, 40, 63, 70, 119])
def test_cut_elf_boots_by_nothing(length: int) -> None:
    """An ELF file that ends before its headers do is no error, and knows no PVH."""
    assert not reading.boots_by_pvh(vmlinux(64, pvh_note())[:length])


WHOLE = bzimage(lzma.compress(vmlinux()))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is no kernel"),
        (b"#!/bin/sh\n" * 100, "is no kernel"),
        (b"\x7fELF" + bytes(200), "no Linux version"),
        (WHOLE[:0x210], "is no kernel"),
        (WHOLE[:1000], "is cut short: 0 of"),
        (WHOLE[:-30], "is cut short"),
        (bzimage(b"x", version=0x203), "speaks boot protocol 0x203"),
    ],
    ids=["empty", "script", "elf", "header", "set-up", "payload", "old"],
)
def test_what_is_no_kernel_is_told_in_one_line(tmp_path: Path, raw: bytes, words: str) -> None:
    """What is no whole kernel is refused in one line with its path."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(raw)

    with pytest.raises(Missing, match=words) as caught:
        reading.read(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"\x04\x22\x4d\x18 lz4", "in no known way"),
        (lzma.compress(vmlinux())[:-40] + bytes(40), "xz, is damaged"),
        (gzip.compress(vmlinux())[:12] + bytes(90), "gzip, is damaged"),
        (lzma.compress(b"no kernel"), "no ELF file"),
    ],
    ids=["unknown", "damaged-xz", "damaged-gzip", "other"],
)
def test_what_cannot_be_unpacked_is_told(
    tmp_path: Path, host: LocalHost, packed: bytes, words: str
) -> None:
    """A kernel that cannot be unpacked is told with the reason."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage(packed))

    with pytest.raises(Missing, match=words):
        reading.read(path).unpacked(host)
