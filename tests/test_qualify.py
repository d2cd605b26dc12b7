# SPDX-License-Identifier: Apache-2.0
"""From the command line to the exit status: a qualifying run, as its user sees it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import landfall
from landfall.report import results
from tests.command import BUILDS, SOUND, Command, Ended, command, qualify

pytestmark = pytest.mark.qemu

SCHEMA = json.loads(Path(results.__file__).with_name("results.schema.json").read_text())
MUTATE = shlex.join([sys.executable, str(Path(__file__).parent / "filters" / "mutate.py")])
ONE = "test_guest_continues_on_the_destination and exec"
"""Selects one scenario of the profile smoke."""
PASSED_AGAIN = "test_ram_is_passed_over_again and tcp-16"
"""Selects one whose last RAM section is never empty."""
OLD = "7.2"
"""A build without `file:`, which came with 8.2."""
COLLECTED = ("-m", "pytest", "--collect-only", "-qq", "--profile", "smoke")


def run(*words: str, profile: str = "smoke", qemu: str = SOUND) -> Ended:
    """Run `landfall qualify` to its end."""
    with qualify(*words, profile=profile, qemu=qemu) as under_way:
        return under_way.ended()


def said(*words: str) -> str:
    """Return what another command says; it must succeed."""
    with command("-m", "landfall", *words) as under_way:
        ended = under_way.ended()
    assert ended.status == 0, ended.errors
    return ended.output


@pytest.fixture(scope="module")
def smoke() -> Iterator[tuple[Command, Ended]]:
    """The profile smoke, run to its end; its results are still there."""
    with qualify() as under_way:
        yield under_way, under_way.ended()
