# SPDX-License-Identifier: Apache-2.0
"""QEMU takes a spoilt stream without a word; only the guest can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stream.rig import Recorder, qemu
from tests.stream.test_mutate import mutate

pytestmark = pytest.mark.qemu

MACHINES = ["q35", "microvm"]
TESTIMONY = {
    "drop-timer": "tsc",
    "flip-byte": "page",
    "zero-page": "page",
    "stale-page": "page",
    "cpu-register": "register",
}
"""What the guest says of it."""
CRIPPLING = ["drop-last-ram", "swap-cpus"]
"""Of these the guest may say anything, or nothing: its own stack and tables may be among
the pages that are missing, and a vCPU may be halted (section cpu_common, which stays) in
the state of one that was not."""
ACCUSATIONS = ("page", "tsc", "register", "trap")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    """A machine type, each in turn."""
    return str(request.param)


@pytest.fixture
def options(machine: str, recorder: Recorder) -> list[str]:
    """How a destination is started."""
    return ["-machine", machine, "-kernel", str(recorder.guest), "-incoming", "defer"]


@pytest.fixture
def spoilt(
    request: pytest.FixtureRequest, recorder: Recorder, binary: str, machine: str, tmp_path: Path
) -> str:
    """The URI of a stream that went through a mutation."""
    done = mutate(request.param, recorder.with_guest(binary, machine))
    assert done.returncode == 0, done.stderr
    (tmp_path / "spoilt").write_bytes(done.stdout)
    return f"exec:cat {tmp_path / 'spoilt'}"


@pytest.mark.parametrize("spoilt", [*CRIPPLING, *TESTIMONY], indirect=True)
def test_qemu_notices_nothing(
    spoilt: str, binary: str, options: list[str], tmp_path: Path
) -> None:
    """QEMU says completed and running of a spoilt stream, and has no warning."""
    with qemu(binary, tmp_path, *options) as destination:
        said = destination.take(spoilt)

    assert said == "completed/running"
    assert destination.errors.read_text() == ""


@pytest.mark.parametrize(("spoilt", "kind"), [*TESTIMONY.items()], indirect=["spoilt"])
def test_guest_notices(
    spoilt: str, kind: str, binary: str, options: list[str], tmp_path: Path
) -> None:
    """The guest testifies about what was spoilt."""
    with qemu(binary, tmp_path, *options) as destination:
        destination.take(spoilt)
        destination.ask("verify", "verified")
        destination.hear_until_accused(kind)

    assert {words[1] for words in destination.heard} & {*ACCUSATIONS} == {kind}


@pytest.mark.parametrize("spoilt", ["cat", "hold"], indirect=True)
def test_guest_has_nothing_to_say(
    spoilt: str, binary: str, options: list[str], tmp_path: Path
) -> None:
    """The guest has no complaint after a stream that only passed through."""
    with qemu(binary, tmp_path, *options) as destination:
        said = destination.take(spoilt)
        verified = destination.ask("verify", "verified")

    assert said == "completed/running"
    assert "bad=0" in verified
    assert {words[1] for words in destination.heard} & {*ACCUSATIONS} == set()


@pytest.mark.parametrize("spoilt", ["truncate"], indirect=True)
def test_qemu_notices_a_missing_end(
    spoilt: str, binary: str, options: list[str], tmp_path: Path
) -> None:
    """QEMU fails and ends when a stream stops before EOF."""
    with qemu(binary, tmp_path, *options) as destination:
        said = destination.take(spoilt)

    assert said == "failed/exit 1"
    assert "load of migration failed: Input/output error" in destination.errors.read_text()
