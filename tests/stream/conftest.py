# SPDX-License-Identifier: Apache-2.0
"""Real streams for the tests of this folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.stream.rig import DEADLINE, Recorder, builds

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


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """What records streams; a stream is recorded once a session."""
    folder = tmp_path_factory.mktemp("streams")
    build = ["sh", str(ROOT / "guests" / "pulse" / "build.sh"), str(folder)]
    subprocess.run(build, check=True, timeout=DEADLINE)
    return Recorder(folder, folder / "pulse-64")
