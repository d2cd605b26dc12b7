# SPDX-License-Identifier: Apache-2.0
"""QEMU builds are fetched from distribution packages, whole or not at all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from landfall import fetch
from landfall.errors import HarnessError, UsageError
from landfall.packages import Archive, Distribution, Source, agree, archive, parse, suites

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
# another
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://inline.example/debian
Suites: sid
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/vendor.gpg] http://vendor.example/apt bookworm main
deb http://mirror.example/debian bookworm main contrib # the mirror
deb http://mirror.example/debian bookworm-updates main
deb http://mirror.example/security bookworm-security main
"""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BOOKWORM = Distribution("debian", "bookworm")


def etc_apt(folder: Path, **files: str) -> Path:
    """Make an /etc/apt of files; `_` in a name stands for a dot."""
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return folder


def made_build(builds: Path, name: str, version: str) -> Path:
    """Make a folder that looks like a fetched build."""
    folder = builds / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/qemu").touch(0o755)
    package = {"name": "seabios", "version": "1.16-1", "sha256": "00"}
    facts = {"name": name, "version": version, "suite": "sid", "path": "bin/qemu"}
    (folder / "build.json").write_text(json.dumps({**facts, "packages": [package]}))
    return folder


def test_deb822_sources() -> None:
    """Of a deb822 file every enabled binary stanza is a source, its inline key kept whole."""
    mirror, inline = parse(DEB822, deb822=True)

    assert mirror == Source(
        "http://mirror.example/debian",
        ("bookworm", "bookworm-updates"),
        ("main", "contrib"),
        KEYRING,
    )
    assert inline.suites == ("sid",)
    assert inline.signed_by.splitlines()[1:4:2] == [
        " -----BEGIN PGP PUBLIC KEY BLOCK-----",
        " mQINBF",
    ]


def test_one_line_sources() -> None:
    """Of a one-line file every binary line is a source, its options and comments understood."""
    vendor, mirror, _updates, _security = parse(ONE_LINE, deb822=False)

    assert vendor == Source(
        "http://vendor.example/apt", ("bookworm",), ("main",), "/keys/vendor.gpg"
    )
    assert mirror == Source("http://mirror.example/debian", ("bookworm",), ("main", "contrib"))


def test_archive_is_the_distributions_own(tmp_path: Path) -> None:
    """A third party that names its suite after the release is not taken for the archive."""
    found = archive(BOOKWORM, etc_apt(tmp_path, some_list=ONE_LINE))

    assert found == Archive("debian", "http://mirror.example/debian", KEYRING)


def test_no_archive(tmp_path: Path) -> None:
    """Without the distribution's archive among the sources, the user is told which is missing."""
    with pytest.raises(UsageError, match="offers main of bookworm; add"):
        archive(BOOKWORM, etc_apt(tmp_path, some_sources="Types: deb\nURIs: http://x.example\n"))


def test_backports_rest_on_their_release() -> None:
    """A backports suite comes with the release under it, and packages stay verified."""
    stanza = Archive("debian", "http://mirror.example/debian", KEYRING).stanza("trixie-backports")

    assert "Suites: trixie trixie-backports\n" in stanza
    assert f"Signed-By: {KEYRING}\n" in stanza


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm\n", BOOKWORM),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\nUBUNTU_CODENAME=noble\nVERSION_CODENAME=x\n',
         Distribution("ubuntu", "noble")),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', Distribution("opensuse-leap", "")),
        ("", Distribution("unknown", "")),
    ],
    ids=["debian", "derivative", "other", "nothing"],
)  # fmt: skip
def test_distribution(os_release: str, expected: Distribution) -> None:
    """A derivative counts as what it derives from, by that one's codename."""
    assert Distribution.of(os_release) == expected


@pytest.mark.parametrize(
    ("version", "first"),
    [
        ("5.2", "bullseye"),
        ("7.2.22", "bookworm"),
        ("10.0", "bookworm-backports"),
        ("11.1", "trixie-backports"),
    ],
)
def test_suites_in_order(version: str, first: str) -> None:
    """The suite that likely has a version is looked into first, and every other after it."""
    order = suites("debian", version)

    assert order[0] == first
    assert sorted(order) == sorted(set(suites("debian", "99")))


def test_versions_agree_as_far_as_both_go() -> None:
    """10.0 is met by 10.0.2, and neither by 10 with another digit."""
    assert agree("10.0", "10.0.2")
    assert agree("7.2.22", "7.2")
    assert not agree("10.0", "10.1.0")
    assert not agree("1.0", "10.0")


def test_not_a_version(tmp_path: Path) -> None:
    """What is no version number is refused before anything is looked up or made."""
    with pytest.raises(UsageError, match="not a version number"):
        fetch.fetch("../10.0", tmp_path / "builds")

    assert not (tmp_path / "builds").exists()


def test_wrapper_becomes_qemu(tmp_path: Path) -> None:
    """The script is replaced by the loader, wherever the build was put."""
    build = tmp_path / "a build"
    (build / "bin").mkdir(parents=True)
    (build / "libexec").mkdir()
    loader = build / "libexec/qemu-system-x86_64"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$$" "$QEMU_MODULE_DIR" "$@"\n')
    script = build / "bin/qemu-system-x86_64"
    script.write_text(fetch.wrapper("sid", ["lib/one", "usr/lib/two"], "usr/lib/qemu"))
    for file in (loader, script):
        file.chmod(0o755)

    with subprocess.Popen([script, "-m", "a b"], stdout=subprocess.PIPE, text=True) as process:
        said = process.communicate()[0].splitlines()

    root = f"{build}/root"
    assert said[:2] == [str(process.pid), f"{root}/usr/lib/qemu"]
    assert said[2:4] == ["--library-path", f"{root}/lib/one:{root}/usr/lib/two"]
    assert said[4:7] == [f"{root}/usr/bin/qemu-system-x86_64", "-L", f"{root}/usr/share/qemu"]
    assert said[-2:] == ["-m", "a b"]


def test_fetched_builds_are_listed(tmp_path: Path) -> None:
    """Builds are listed oldest QEMU first, by number and not by letter."""
    for name, version in (("10.0", "10.0.2"), ("7.2", "7.2.22"), ("5.2", "5.2.0")):
        made_build(tmp_path, name, version)

    builds = fetch.fetched(tmp_path)

    assert [build.name for build in builds] == ["5.2", "7.2", "10.0"]
    assert builds[0].path == tmp_path / "5.2/bin/qemu"
    assert builds[0].packages == (fetch.Package("seabios", "1.16-1", "00"),)


@pytest.mark.parametrize(
    "damage", ["", "{}", "[]", '{"packages": [', '{"packages": [{"name": "x"}]}']
)
def test_broken_build_is_no_build(tmp_path: Path, damage: str) -> None:
    """A build whose record is damaged is not there, and neither is one without its binary."""
    (made_build(tmp_path, "7.2", "7.2.22") / "build.json").write_text(damage)
    (made_build(tmp_path, "8.2", "8.2.0") / "bin/qemu").unlink()
    (tmp_path / "9.2").mkdir()

    assert fetch.fetched(tmp_path) == []


def test_second_fetch_is_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that is there is returned without asking any mirror or the distribution."""
    folder = made_build(tmp_path, "7.2", "7.2.22")
    monkeypatch.setenv("PATH", "")

    build = fetch.fetch("7.2", tmp_path)

    assert build.path == folder / "bin/qemu"


@pytest.mark.network
def test_fetch(tmp_path: Path) -> None:
    """A real build is fetched, runs, and nothing is left beside it."""
    build = fetch.fetch("10.0", tmp_path / "builds")

    said = subprocess.run([build.path, "--version"], capture_output=True, text=True, check=True)
    assert f"version {build.version}" in said.stdout
    assert "qemu-system-x86" in [package.name for package in build.packages]
    names = sorted(entry.name for entry in (tmp_path / "builds").iterdir())
    assert names == [".lock", "10.0"]


@pytest.mark.network
def test_interrupted_fetch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was downloaded before a fetch was cut off is not downloaded again."""
    pulled: list[set[int]] = []

    def cut_off(name: str, suite: str, files: Mapping[Path, object], folder: Path) -> None:
        pulled.append({file.stat().st_ino for file in files})
        raise HarnessError("cut off")

    monkeypatch.setattr(fetch, "_assemble", cut_off)
    for _ in range(2):
        with pytest.raises(HarnessError, match="cut off"):
            fetch.fetch("10.0", tmp_path / "builds")

    assert pulled[0] == pulled[1]
    assert fetch.fetched(tmp_path / "builds") == []
