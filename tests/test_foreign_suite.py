# SPDX-License-Identifier: Apache-2.0
"""Somebody else's suite on the wheel: installed elsewhere, with a promise of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import BUILDS, ROOT, SOUND

pytestmark = [pytest.mark.qemu, pytest.mark.network]

INSTALLING = 400.0
RUNNING = 100.0
OWN = '''
"""A guest of ours is where we sent it."""

from landfall.migration import migrate
from landfall.transport import TCP
from landfall.vm import VM


def test_guest_arrives(source: VM, destination: VM) -> None:
    """A guest that is sent over TCP runs on the destination."""
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
'''


def run(*words: str | Path, cwd: Path, within: float) -> subprocess.CompletedProcess[str]:
    """Run a command that knows nothing of this checkout."""
    own = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "TOX_", "COV_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    quiet = ("-q", "--disable-pip-version-check")
    for words in (
        (sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "-w", folder / "wheel", ROOT),
        (sys.executable, "-m", "venv", folder / "venv"),
    ):
        done = run(*words, cwd=folder, within=INSTALLING)
        if done.returncode:
            pytest.skip(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = (folder / "wheel").glob("*.whl")
    pip = folder / "venv" / "bin" / "pip"
    done = run(pip, "install", *quiet, wheel, cwd=folder, within=INSTALLING)
    if done.returncode:
        pytest.skip(f"pip reaches no registry here: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "venv" / "bin"


@pytest.mark.parametrize("program", [("pytest",), ("landfall", "qualify")], ids=" ".join)
def test_own_promise_is_judged(elsewhere: Path, tmp_path: Path, program: tuple[str, ...]) -> None:
    """A suite of one promise runs on real QEMU, with every oracle, and ends 0."""
    (tmp_path / "test_ours.py").write_text(OWN.lstrip())
    program = (str(elsewhere / program[0]), *program[1:])

    done = run(
        *program, f"--src-qemu={SOUND}", "--results=found", "test_ours.py",
        cwd=tmp_path, within=RUNNING,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    (scenario,) = json.loads((tmp_path / "found" / "results.json").read_text())["run"]["scenarios"]
    assert scenario["id"] == "test_ours.py::test_guest_arrives"
    assert scenario["verdict"] == "kept"
    assert scenario["promise"] == "A guest of ours is where we sent it."
    assert {"memory", "time", "ownership"} <= {one["oracle"] for one in scenario["findings"]}


def test_ids_do_not_depend_on_the_folder(elsewhere: Path, tmp_path: Path) -> None:
    """The suites in the wheel have the ids of a checkout's, whatever folder one is in."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    planned = []
    for folder in (tmp_path, tmp_path / "deep" / "er"):
        words = ("plan", "--json", "--profile", "smoke", f"--src-qemu={SOUND}")
        done = run(elsewhere / "landfall", *words, cwd=folder, within=RUNNING)
        assert done.returncode == 0, done.stdout + done.stderr
        planned.append([row["id"] for row in json.loads(done.stdout)["scenarios"]])

    assert planned[0] == planned[1]
    assert all(id_.startswith("suites/test_") for id_ in planned[0])


@pytest.mark.skipif(not BUILDS, reason="needs a build that was fetched")
def test_reports_go_where_one_is(elsewhere: Path, tmp_path: Path) -> None:
    """A run of the wheel's own suites leaves its report in the folder that it was started in."""
    words = ("qualify", "--profile", "smoke", f"--src-qemu={SOUND}", "-k", "destination and tcp")
    done = run(elsewhere / "landfall", *words, cwd=tmp_path, within=RUNNING)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "reports" / "latest" / "report.html").exists()
    script = run(elsewhere / "landfall", "repro", "[tcp]", cwd=tmp_path, within=RUNNING)
    assert script.returncode == 0, script.stderr
    (made,) = tmp_path.glob("repro-*.sh")
    assert run("sh", made, cwd=tmp_path, within=RUNNING).returncode == 0
