# SPDX-License-Identifier: Apache-2.0
"""An initramfs has what a guest needs, and is the same whoever makes it where."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from landfall.host import LocalHost
from landfall.linux.initramfs import Entry, archive, cached
from landfall.linux.shelf import Kernel
from tests.made_kernel import RELEASE, installed, module

AGENT = b"#!/bin/agent\n"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel with one module."""
    image = installed(tmp_path / "root")
    modules = tmp_path / "root/lib/modules" / RELEASE
    return Kernel(RELEASE, "", 64, image, modules, "made up")


def made(kernel: Kernel, folder: Path, host: LocalHost, *modules: str) -> Path:
    """Make an initramfs in a folder of its own, with an agent of its own."""
    folder.mkdir()
    (folder / "agent").write_bytes(AGENT)
    return cached(folder / "agent", kernel, modules or ["made_up"], host, folder)


def test_made_twice_it_is_the_same(tmp_path: Path, host: LocalHost, kernel: Kernel) -> None:
    """Made in two places, with two masks and at two times, it is byte for byte the same."""
    one = made(kernel, tmp_path / "one", host)
    mask = os.umask(0o077)
    try:
        for path in tmp_path.rglob("*.ko"):
            os.utime(path, (1, 1))
        other = made(kernel, tmp_path / "other", host)
    finally:
        os.umask(mask)

    assert one.read_bytes() == other.read_bytes()
    assert one.parent.name == other.parent.name


def test_it_is_made_once(tmp_path: Path, host: LocalHost, kernel: Kernel) -> None:
    """What was made is found again, and anything else that goes into it makes another."""
    first = made(kernel, tmp_path / "one", host)
    stamp = first.stat().st_mtime_ns
    agent = tmp_path / "one/agent"

    again = cached(agent, kernel, ["made_up"], host, tmp_path / "one")
    agent.write_bytes(AGENT + b"\n")
    other = cached(agent, kernel, ["made_up"], host, tmp_path / "one")
    less = cached(agent, kernel, [], host, tmp_path / "one")

    assert (again, again.stat().st_mtime_ns) == (first, stamp)
    assert len({first, other, less}) == 3


def members(raw: bytes) -> dict[str, tuple[int, bytes, list[int]]]:
    """Read an archive as the kernel does: name to mode, content, and all that its header says."""
    found = {}
    at = 0
    while at < len(raw):
        assert raw[at : at + 6] == b"070701"
        fields = [int(raw[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = raw[at + 110 : at + 109 + fields[11]].decode()
        begin = -(-(at + 110 + fields[11]) // 4) * 4
        found[name] = fields[1], raw[begin : begin + fields[6]], fields
        at = -(-(begin + fields[6]) // 4) * 4
    return found


def test_what_is_in_it(tmp_path: Path, host: LocalHost, kernel: Kernel) -> None:
    """The agent is /init, a console is there, and so are the modules with their tables."""
    found = members(made(kernel, tmp_path / "one", host).read_bytes())

    modes = {name: stat.filemode(mode) for name, (mode, _, _) in found.items()}
    assert modes["init"] == "-rwxr-xr-x"
    assert modes["dev/console"] == "crw-------"
    assert modes["proc"] == "drwxr-xr-x"
    assert found["dev/console"][2][9:11] == [5, 1]
    assert found["init"][1] == AGENT
    assert found["etc/modules.dep"][1] == b"made_up\n"
    assert found["etc/modules.alias"][1] == b"pci:v1* made_up\n"
    assert found["lib/modules/made_up.ko"][1] == module(alias="pci:v1*")
    assert {tuple(fields[2:4]) for _, _, fields in found.values()} == {(0, 0)}
    assert {fields[5] for _, _, fields in found.values()} == {0}
    assert list(found)[-1] == "TRAILER!!!"


def test_archive_is_sorted_and_numbered() -> None:
    """Entries are in the order of their names, and no two share a number."""
    mode = stat.S_IFREG | 0o644
    entries = [Entry(name, mode, name.encode()) for name in ("b", "a/b", "a")]

    raw = archive(entries)

    assert raw == archive(reversed(entries))
    assert raw.index(b"a\0") < raw.index(b"a/b\0") < raw.index(b"b\0") < raw.index(b"TRAILER!!!")
    assert [raw[at + 6 : at + 14] for at in range(len(raw)) if raw[at : at + 6] == b"070701"] == [
        b"00000001", b"00000002", b"00000003", b"00000000",
    ]  # fmt: skip
    assert len(raw) % 4 == 0
