# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin (`-p meter`) that notes what each scenario cost beside its wall time.

One line of JSON a scenario, in the file that LANDFALL_METER names: wall seconds with all that
pytest and the reports do around it, user and system seconds of pytest and of the processes
it reaped, and each QEMU's peak memory in bytes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest
from floor import cpu_seconds, peak

from landfall.stage import Stage

PEAKS = pytest.StashKey[list[int]]()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Look at both processes when the scenario is over and before it is judged: they live."""
    try:
        return (yield)
    finally:
        stage = cast(Stage, pyfuncitem.funcargs["stage"])
        pyfuncitem.stash[PEAKS] = [peak(vm.process.pid) for vm in stage.vms if vm.alive]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the difference from before set-up to after teardown."""
    began, before = time.monotonic(), cpu_seconds()
    done = yield
    cost = {
        "id": item.nodeid,
        "wall": time.monotonic() - began,
        "cpu": cpu_seconds() - before,
        "peaks": item.stash.get(PEAKS, []),
    }
    with Path(os.environ["LANDFALL_METER"]).open("a") as file:
        file.write(json.dumps(cost) + "\n")
    return done
