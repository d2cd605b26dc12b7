# SPDX-License-Identifier: Apache-2.0
"""Real streams for the tests of this folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stream.rig import DEADLINE, FETCHED, Recorder, builds

ROOT = Path(__file__).parents[2]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known to whoever runs this folder alone."""
    config.addinivalue_line("markers", "qemu: runs a real QEMU")


@pytest.fixture(params=["system", "10.0"])
def binary(request: pytest.FixtureRequest) -> str:
    """A QEMU, each of the builds in turn."""
    found = builds()
    if request.param not in found:
        pytest.skip(f"no QEMU {request.param}: ./landfall qemu fetch 10.0")
    return found[request.param]


@pytest.fixture(params=["5.2", "7.2", "10.0", "11.1"])
def every_binary(request: pytest.FixtureRequest) -> str:
    """A QEMU that was fetched, each of them in turn."""
    return fetched(request.param)


@pytest.fixture(params=["10.0", "11.1"])
def newer_binary(request: pytest.FixtureRequest) -> str:
    """A QEMU that writes mapped-ram files and loses no page, each of them in turn."""
    return fetched(request.param)


@pytest.fixture(params=["5.2", "7.2"])
def older_binary(request: pytest.FixtureRequest) -> str:
    """A QEMU that under TCG loses pages of a guest that writes, each of them in turn."""
    return fetched(request.param)


@pytest.fixture
def sound_binary() -> str:
    """The QEMU that loses no page in postcopy either."""
    return fetched("10.0")


def fetched(name: str) -> str:
    """Return a build that was fetched; skip what needs it where it was not."""
    path = shutil.which("qemu-system-x86_64", path=FETCHED / name / "bin")
    if path is None:
        pytest.skip(f"no QEMU {name}: ./landfall qemu fetch {name}")
    return path


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """What records streams; a stream is recorded once a session."""
    folder = tmp_path_factory.mktemp("streams")
    build = ["sh", str(ROOT / "guests" / "pulse" / "build.sh"), str(folder)]
    subprocess.run(build, check=True, timeout=DEADLINE)
    return Recorder(folder, folder / "pulse-64")
