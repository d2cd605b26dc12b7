# SPDX-License-Identifier: Apache-2.0
"""A build is found and probed on the host that it is on, and messages say which that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from landfall import build
from landfall.build import QemuBuild, find, probe
from landfall.errors import UsageError
from landfall.host import Completed, LocalHost

BINARY = "qemu-system-x86_64"


class Far(LocalHost):
    """This machine, as if it were another; it counts what it is asked to run."""

    is_local = False
    name = "alpha"

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[Sequence[str]] = []

    def __enter__(self) -> Far:
        super().__enter__()
        return self

    def run(
        self, argv: Sequence[str], within: float, cwd: Path | None = None, stdin: str = ""
    ) -> Completed:
        """Run a command to its end."""
        self.ran.append(argv)
        return super().run(argv, within, cwd, stdin)


def executable(path: Path) -> Path:
    """Make a file that may be executed."""
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("near", [True, False], ids=["local", "far"])
def test_build_is_found_by_what_it_is_called(tmp_path: Path, *, near: bool) -> None:
    """A path, a build tree and a name of a build lead to the binary, wherever the host is."""
    host = LocalHost() if near else Far()
    binary = str(executable(tmp_path / BINARY))

    assert find(binary, {}, host) == (binary, binary)
    assert find(str(tmp_path), {}, host) == (str(tmp_path), binary)
    assert find("9.9", {"9.9": binary}, host) == ("9.9", binary)


def test_build_of_the_hosts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`system` is what PATH has, unless an inventory names a build so."""
    binary = str(executable(tmp_path / BINARY))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find("system", {}, Far()) == ("system", binary)
    assert find("system", {"system": "/bin/true"}, Far()) == ("system", "/bin/true")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nowhere", "no QEMU build 'nowhere' on host alpha: no such file, and not one of system"),
        ("{folder}", "no QEMU build in {folder} on host alpha: there is no qemu-system-x86_64"),
        ("{folder}/plain", "{folder}/plain on host alpha is not an executable file"),
        ("system", "no qemu-system-x86_64 in PATH on host alpha"),
    ],
    ids=["nothing", "no-tree", "no-program", "no-system"],
)
def test_build_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, words: str
) -> None:
    """What is no build on another host is told in one line with the host's name."""
    (tmp_path / "plain").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "SYSTEM_BINARIES", (BINARY, str(tmp_path / "qemu-kvm")))

    with pytest.raises(UsageError) as raised:
        find(wanted.format(folder=tmp_path), {}, Far())

    assert words.format(folder=tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("near", "where"), [(True, ""), (False, " on host alpha")], ids=["local", "far"]
)
def test_program_that_is_no_qemu(tmp_path: Path, *, near: bool, where: str) -> None:
    """What runs and is no QEMU is told, and nothing of it is kept."""
    binary = executable(tmp_path / BINARY)

    with LocalHost() if near else Far() as host, pytest.raises(UsageError) as raised:
        probe("x", str(binary), host)

    assert f"{binary}{where} is not QEMU: --version says 'nothing'" in str(raised.value)


@pytest.mark.qemu
def test_answers_of_a_host_are_its_own(
    build: QemuBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build is asked once on each host, its answers are recalled, and its folder is gone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with LocalHost() as near, Far() as far:
        here = probe(build.name, build.path, near)
        there = probe(build.name, build.path, far)
        asked = len(far.ran)
        again = probe(build.name, build.path, far)

        assert list(far.private.iterdir()) == []
    assert here == there == again == build
    assert (here.host, there.host, again.host) == (near, far, far)
    assert asked == len(far.ran) > 0


@pytest.mark.qemu
def test_build_that_was_made_anew_is_asked_again(
    build: QemuBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binary that changed is another build, whatever its path says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    binary = executable(tmp_path / BINARY)
    with Far() as far:
        binary.write_text(f'#!/bin/sh\nexec "{build.path}" "$@"\n')
        probe("x", str(binary), far)
        asked = len(far.ran)
        binary.write_text(f'#!/bin/sh\nexec "{build.path}"  "$@"\n')
        probe("x", str(binary), far)

        assert len(far.ran) > asked


@pytest.mark.qemu
def test_build_says_by_what_it_runs_guests(build: QemuBuild) -> None:
    """The accelerators of a build are its own, without what only a test has."""
    assert "tcg" in build.accelerators
    assert not build.accelerators & {"accel", "qtest"}
