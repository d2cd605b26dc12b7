# SPDX-License-Identifier: Apache-2.0
"""A guest is saved into a bundle and restored from it; one that is not as it says is refused."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import BUILDS, SOUND, Ended, command
from tests.test_two_hosts import LOOPBACK

pytestmark = pytest.mark.qemu

USAGE, BROKEN = 4, 1
HOSTS = ("--inventory", LOOPBACK)


def errand(name: str, file: Path, *words: str) -> Ended:
    """Run a command on a bundle to its end; nothing of it may be left."""
    with command("-m", "landfall", name, str(file), *words, "--results=results") as run:
        ended = run.ended()
        assert run.left(10.0) == []
    return ended


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest that was saved."""
    file = tmp_path_factory.mktemp("bundle") / "guest.tar"
    ended = errand("save", file, "--src-qemu", SOUND)
    assert ended.status == 0, ended.output + ended.errors
    return file


def rewritten(
    bundle: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, object]], None]
) -> Path:
    """Write a bundle anew with something changed; its members and its manifest."""
    with tarfile.open(bundle) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    manifest = json.loads(members["manifest.json"])
    change(members, manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(target, "w") as tar:
        for name, content in members.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return target


def test_bundle_says_what_it_is(bundle: Path) -> None:
    """A bundle is a tar that anybody can look into, and tells how it is restored."""
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
        words = tar.extractfile("README").read().decode()  # type: ignore[union-attr]
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]

    assert names == ["README", "manifest.json", "state", "told.json", "kernel"]
    assert "./landfall restore guest.tar" in words
    assert manifest["guest"]["name"] == "pulse-64"
    assert manifest["machine"]["type"].startswith("pc-q35-")
    assert "-incoming" not in manifest["command"]
    assert set(manifest["members"]) == {"state", "told.json", "kernel"}


def test_guest_continues_from_its_bundle(bundle: Path) -> None:
    """A guest that was saved continues from its bundle, and its whole life is judged."""
    ended = errand("restore", bundle, "--dst-qemu", SOUND)

    assert ended.status == 0, ended.output + ended.errors
    assert "test_guest_continues" in ended.output
    assert "1 kept" in ended.output


@pytest.mark.skipif({"7.2", "10.0"} - set(BUILDS) != set(), reason="7.2 and 10.0 not fetched")
def test_guest_is_carried_to_a_newer_qemu(tmp_path: Path) -> None:
    """A guest that an older QEMU saved continues with a newer one, on the same machine type."""
    file = tmp_path / "old.tar"

    assert errand("save", file, "--src-qemu", "7.2").status == 0
    restored = errand("restore", file, "--dst-qemu", "10.0")

    assert restored.status == 0, restored.output + restored.errors


@pytest.mark.skipif({"5.2", "10.0"} - set(BUILDS) != set(), reason="5.2 and 10.0 not fetched")
def test_machine_that_a_build_has_not_is_told(bundle: Path) -> None:
    """A build without the bundle's machine type is refused in one line."""
    ended = errand("restore", bundle, "--dst-qemu", "5.2")

    assert ended.status == USAGE
    assert "has no machine type pc-q35-10.0, which the bundle was saved on" in ended.errors


def test_guest_is_carried_from_host_to_host(tmp_path: Path) -> None:
    """A guest that was saved on one host continues on another."""
    file = tmp_path / "carried.tar"

    saved = errand("save", file, *HOSTS, "--src-qemu", SOUND)
    restored = errand("restore", file, *HOSTS, "--dst-qemu", SOUND)

    assert saved.status == 0, saved.output + saved.errors
    assert json.loads(_manifest(file))["host"] == "alpha"
    assert restored.status == 0, restored.output + restored.errors


def _manifest(file: Path) -> str:
    with tarfile.open(file) as tar:
        return tar.extractfile("manifest.json").read().decode()  # type: ignore[union-attr]


def test_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    """A byte that changed on the way is seen before anything is started."""
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "damaged.tar").write_bytes(content)

    ended = errand("restore", tmp_path / "damaged.tar", "--dst-qemu", SOUND)

    assert ended.status == USAGE
    assert "damaged.tar: state is damaged: its SHA-256 is" in ended.errors


def test_bundle_whose_damage_is_covered_up_breaks_memory(bundle: Path, tmp_path: Path) -> None:
    """A byte that was changed, with its checksum made good, breaks the promise of memory."""

    def change(members: dict[str, bytes], manifest: dict[str, object]) -> None:
        flip = [sys.executable, "-m", "landfall.mutants", "flip-byte"]
        state = subprocess.run(
            flip, input=members["state"], capture_output=True, check=True
        ).stdout
        members["state"] = state
        told = manifest["members"]
        assert isinstance(told, dict)
        told["state"]["sha256"] = hashlib.sha256(state).hexdigest()

    file = rewritten(bundle, tmp_path / "forged.tar", change)
    ended = errand("restore", file, "--dst-qemu", SOUND)

    assert ended.status == BROKEN, ended.output + ended.errors
    assert "memory: " in ended.output


NEWER = "is of form 2, and this Landfall reads form 1; use a newer one"


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("form", 2, NEWER),
        ("machine", {"type": "q35"}, "its manifest is not one: machine.accel: Field required"),
        ("colour", "red", "its manifest is not one: colour: Extra inputs are not permitted"),
        ("members", {}, "its manifest.json names no state"),
    ],
)
def test_manifest_that_is_none_is_refused(
    bundle: Path, tmp_path: Path, member: str, value: object, told: str
) -> None:
    """A manifest that is newer, or says something else, is refused by what is wrong with it."""
    file = rewritten(
        bundle, tmp_path / "other.tar", lambda _m, manifest: manifest.update({member: value})
    )

    ended = errand("restore", file, "--dst-qemu", SOUND)

    assert ended.status == USAGE
    assert told in ended.errors


def test_cut_off_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    """A bundle whose end is missing is refused."""
    content = bundle.read_bytes()
    (tmp_path / "short.tar").write_bytes(content[: len(content) // 2])

    ended = errand("restore", tmp_path / "short.tar", "--dst-qemu", SOUND)

    assert ended.status == USAGE
    assert "is no bundle, or its end is missing" in ended.errors


def test_place_for_a_bundle_is_looked_at_first(bundle: Path, tmp_path: Path) -> None:
    """What is there already is not overwritten, and a folder that is not there is told."""
    before = bundle.read_bytes()

    there = errand("save", bundle, "--src-qemu", SOUND)
    nowhere = errand("save", tmp_path / "no" / "where.tar", "--src-qemu", SOUND)
    nameless = errand("save", Path("--src-qemu"))

    assert (there.status, nowhere.status, nameless.status) == (USAGE, USAGE, USAGE)
    assert "is there already; remove it, or name another file" in there.errors
    assert "is no folder that can be written to" in nowhere.errors
    assert "name the file first: ./landfall save FILE" in nameless.errors
    assert bundle.read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == ["guest.tar"]
