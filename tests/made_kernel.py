# SPDX-License-Identifier: Apache-2.0
"""Kernels and modules that were made up: as much of their files as is looked at."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["bzimage", "installed", "module", "pvh_note", "vmlinux"]

RELEASE = "6.1.0-1-made"
SETUP_SECTORS = 3
BEGIN = (SETUP_SECTORS + 1) * 512
OFFSET = 64
"""Where the packed kernel begins in the part that is not set-up."""


def pvh_note(kind: int = 18, name: bytes = b"Xen\0") -> bytes:
    """Return an ELF note; the one that says where PVH enters, unless told otherwise."""
    return struct.pack("<III", len(name), 4, kind) + name + bytes(4)


def vmlinux(bits: int = 64, note: bytes = b"", release: str = RELEASE) -> bytes:
    """Return an ELF kernel with one program header, a note's."""
    banner = f"Linux version {release} (made up)\0".encode()
    start, size = (64, 56) if bits == 64 else (52, 32)
    data = start + size
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    if bits == 64:
        rest = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, start, 0, 0, 64, size, 1, 0, 0, 0)
        header = struct.pack("<IIQQQQQQ", 4, 0, data, 0, 0, len(note), len(note), 4)
    else:
        rest = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, start, 0, 0, 52, size, 1, 0, 0, 0)
        header = struct.pack("<IIIIIIII", 4, data, 0, 0, len(note), len(note), 0, 4)
    return ident + rest + header + note + banner


def bzimage(packed: bytes, bits: int = 64, release: str = RELEASE, version: int = 0x20F) -> bytes:
    """Return a bzImage around a packed kernel, which the size of it follows."""
    payload = packed + struct.pack("<I", 4096)
    image = bytearray(BEGIN + OFFSET)
    image[0x1F1] = SETUP_SECTORS
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, version)
    struct.pack_into("<H", image, 0x20E, 0x300 - 0x200)
    text = f"{release} (made up) #1\0".encode()
    image[0x300 : 0x300 + len(text)] = text
    struct.pack_into("<H", image, 0x236, 1 if bits == 64 else 0)
    struct.pack_into("<II", image, 0x248, OFFSET, len(payload))
    return bytes(image) + payload


def module(bits: int = 64, **said: str | Iterable[str]) -> bytes:
    """Return a module whose .modinfo says some things, each once or several times."""
    pairs = [
        f"{key}={value}"
        for key, values in said.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    info = "".join(f"{pair}\0" for pair in pairs).encode()
    names = b"\0.shstrtab\0.modinfo\0"
    start, size = (64, 64) if bits == 64 else (52, 40)
    form = "<IIQQQQIIQQ" if bits == 64 else "<IIIIIIIIII"
    table = start + len(names) + len(info)
    sections = (
        struct.pack(form, *[0] * 10),
        struct.pack(form, 1, 3, 0, 0, start, len(names), 0, 0, 1, 0),
        struct.pack(form, 11, 1, 0, 0, start + len(names), len(info), 0, 0, 1, 0),
    )
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    rest = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    header = struct.pack(rest, 1, 62, 1, 0, 0, table, 0, start, 0, 0, size, 3, 1)
    return ident + header + names + info + b"".join(sections)


def installed(root: Path, image: bytes = b"", release: str = RELEASE) -> Path:
    """Make a root with one kernel installed; return its image's path."""
    path = root / f"boot/vmlinuz-{release}"
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = lzma.compress(vmlinux(note=pvh_note()), lzma.FORMAT_XZ)
    path.write_bytes(image or bzimage(packed, release=release))
    folder = root / f"lib/modules/{release}/kernel/drivers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made-up.ko").write_bytes(module(alias="pci:v1*"))
    return path
