# SPDX-License-Identifier: Apache-2.0
"""A process of this machine is waited for, however much the runner holds open."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator

import pytest

from landfall.host import LocalProcess

SELECT = 1024
"""The first descriptor that select() does not know."""


@pytest.fixture
def crowded() -> Iterator[None]:
    """Have so much open that the next descriptor is beyond what select() knows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 2 * SELECT:
        pytest.skip(f"no more than {before[1]} descriptors may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * SELECT, before[1]))
    held: list[int] = []
    try:
        while not held or held[-1] < SELECT:
            held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("crowded")
def test_process_is_waited_for_among_many_descriptors() -> None:
    """A long run that holds more than 1023 descriptors still sees a process end."""
    argv = ["sleep", "0.05"]
    process = LocalProcess(subprocess.Popen(argv), argv)

    assert process.pidfd > SELECT
    assert process.wait(10.0) == 0
    process.end()
