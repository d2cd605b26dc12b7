# SPDX-License-Identifier: Apache-2.0
"""Doors open one way, rooms have names, and every test says what it claims (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fixtures" / "landfall"
SUITES = sorted((ROOT / "suites").rglob("*.py"))
OF_QEMU = (
    "accel", "arrival", "attempt", "bandwidth", "build", "device", "difference", "differences",
    "disk", "glance", "image", "locking", "machine", "migration", "mirroring", "offer", "qemu_img",
    "qmp", "ram", "stage", "storage", "transport", "vm", "wire", "writing",
)  # fmt: skip
NEVER = {
    "children": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "program": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "piped": ("migration", "attempt", "wire", "oracles", "plugin", "report"),
    "parting": ("vm", "migration", "attempt", "oracles", "plugin", "report"),
    "host": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "ssh": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "hosts": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "links": (*OF_QEMU, "guest", "line", "ssh", "inventory", "oracles", "plugin", "report"),
    "facts": (*OF_QEMU, "guest", "line", "ssh", "oracles", "judgement", "plugin", "report"),
    "clock_offset": (*OF_QEMU, "guest", "line", "host", "ssh", "oracles", "plugin", "report"),
    "questions": ("vm", "migration", "attempt", "oracles", "plugin", "report"),
    "baseline": ("vm", "migration", "attempt", "stage", "oracles", "plugin", "report"),
    "qmp": ("vm", "migration", "attempt", "oracles", "plugin", "report"),
    "inventory": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "lab": (*OF_QEMU, "line", "oracles", "judgement", "plugin", "report"),
    "guest": (*OF_QEMU, "line", "oracles", "judgement", "plugin", "report"),
    "linux": (*OF_QEMU, "guest", "line", "oracles", "judgement", "plugin", "report"),
    "packages": (*OF_QEMU, "guest", "linux", "host", "line", "oracles", "plugin", "report"),
    "migration": ("judgement", "oracles", "plugin", "report"),
    "vm": ("migration", "attempt", "transport", "wire", "oracles", "plugin", "report"),
    "monitor": ("migration", "attempt", "transport", "wire", "oracles", "plugin", "report"),
    "throttle": (*OF_QEMU, "guest", "line", "host", "oracles", "judgement", "plugin", "report"),
    "blackout": (*OF_QEMU, "oracles", "judgement", "plugin", "report"),
    "downtime": ("migration", "attempt", "vm", "oracles", "judgement", "plugin", "report"),
    "rates": ("migration", "oracles", "judgement", "plugin", "report"),
    "transport": ("migration", "attempt", "wire", "oracles", "plugin", "report"),
    "attempt": ("migration", "judgement", "oracles", "plugin", "report"),
    "difference": ("vm", "migration", "attempt", "transport", "oracles", "plugin", "report"),
    "glance": ("migration", "attempt", "transport", "oracles", "plugin", "report"),
    "differences": ("migration", "attempt", "transport", "oracles", "plugin", "report"),
    "offer": ("judgement", "oracles", "plugin", "report"),
    "storage": ("vm", "migration", "attempt", "transport", "image", "oracles", "plugin", "report"),
    "mirroring": ("judgement", "oracles", "plugin", "report"),
    "history": ("vm", "migration", "attempt", "oracles", "plugin", "report"),
    "oracles": ("vm", "migration", "attempt", "judgement", "plugin", "report", "host"),
    "report": ("vm", "migration", "attempt", "judgement", "oracles", "plugin", "host"),
    "stream": ("vm", "migration", "host", "errors", "report", "oracles", "plugin"),
}
"""Room to the rooms that its doors never open to."""
CORRIDORS = {"util", "utils", "common", "helpers", "base"}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports when it runs; those for types alone are no doors."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "landfall":
            yield from (f"landfall.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(path: Path) -> str:
    """The room that a module is, or is in."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("name", NEVER)
def test_doors_open_one_way(name: str) -> None:
    """A room never imports the rooms above it."""
    mine = [path for path in modules() if room(path) == name]
    forbidden = {f"landfall.{other}" for other in NEVER[name]}

    seen = {".".join(i.split(".")[:2]) for path in mine for i in imported(path)}

    assert mine
    assert seen & forbidden == set()


def test_only_the_plugin_knows_pytest() -> None:
    """Nothing but the plugin imports pytest."""
    knowing = {room(p) for p in modules() for i in imported(p) if i.partition(".")[0] == "pytest"}

    assert knowing == {"plugin"}


def test_nothing_knows_the_suites() -> None:
    """No module of the package imports a suite or a test."""
    tops = {i.partition(".")[0] for path in modules() for i in imported(path)}

    assert tops & {"suites", "tests"} == set()


def test_keeper_stands_alone() -> None:
    """The keeper is started as a bare script: the standard library is all that it imports."""
    tops = {i.partition(".")[0] for i in imported(PACKAGE / "keeper.py")}

    assert tops <= sys.stdlib_module_names


def test_scenario_does_not_read_the_report() -> None:
    """What a run records is read by the report, never by a scenario."""
    closed = {f"landfall.{room}" for room in ("report", "plugin", "oracles", "judgement", "known")}
    seen = {".".join(i.split(".")[:2]) for path in SUITES for i in imported(path)}

    assert seen & closed == set()


def test_suites_know_landfall_and_pytest_alone() -> None:
    """A suite imports the standard library, pytest and landfall."""
    allowed = {*sys.stdlib_module_names, "pytest", "landfall"}
    tops = {i.partition(".")[0] for path in SUITES for i in imported(path)}

    assert tops <= allowed


def test_no_room_is_a_corridor() -> None:
    """No module is called what could hold anything."""
    inside = [path.relative_to(PACKAGE).with_suffix("") for path in modules()]
    names = {part for path in inside for part in path.parts}

    assert names & CORRIDORS == set()


@pytest.mark.parametrize("folder", ["suites", "tests"])
def test_every_test_is_a_claim(folder: str) -> None:
    """Every test has a docstring: the sentence that holds when it passes."""
    silent = [
        f"{path.name}::{node.name}"
        for path in (ROOT / folder).rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []
