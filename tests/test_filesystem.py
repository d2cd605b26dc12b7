# SPDX-License-Identifier: Apache-2.0
"""A file system is made and read without root, and what is wrong with it is said."""

from __future__ import annotations

import subprocess
from pathlib import Path

from landfall import filesystem
from landfall.host import LocalHost
from landfall.record import EMPTY, record
from landfall.tree import first_block

PATH = "d1/f5"
SUPERBLOCK = 1024
FREE_BLOCKS = SUPERBLOCK + 12
"""linux/Documentation/filesystems/ext4/super.rst."""


def made(tmp_path: Path, host: LocalHost) -> bytes:
    """Return a file system with a file of two records, written as a guest's kernel is not here."""
    image, file = tmp_path / "image", tmp_path / "file"
    filesystem.make(image, host)
    file.write_bytes(record(7, first_block(PATH)) + record(8, first_block(PATH) + 1))
    for request in ("mkdir d1", f"write {file} {PATH}"):
        command = [filesystem.program("debugfs"), "-w", "-R", request, str(image)]
        subprocess.run(command, check=True, capture_output=True)
    return image.read_bytes()


def test_files_are_found(tmp_path: Path, host: LocalHost) -> None:
    """The records of each file are found, and a sound file system has no damage."""
    left = filesystem.found(made(tmp_path, host), tmp_path, host)

    assert left.held == {PATH: (7, 8)}
    assert left.damage == ""


def test_damage_is_said(tmp_path: Path, host: LocalHost) -> None:
    """A superblock that was overwritten in part is found, in e2fsck's words."""
    content = bytearray(made(tmp_path, host))
    content[FREE_BLOCKS : FREE_BLOCKS + 4] = bytes(4)

    left = filesystem.found(bytes(content), tmp_path, host)

    assert "uperblock" in left.damage or "ree blocks" in left.damage


def test_content_is_told_from_the_kind(tmp_path: Path, host: LocalHost) -> None:
    """A record that lies where another belongs, and a block of zeros, are not taken for it."""
    content = made(tmp_path, host).replace(record(8, first_block(PATH) + 1), bytes(4096))

    assert filesystem.found(content, tmp_path, host).held == {PATH: (7, EMPTY)}
