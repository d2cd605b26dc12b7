# SPDX-License-Identifier: Apache-2.0
"""A host that failed three times in a run is set aside, by all processes of the run at once."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import Popen

import pytest

from landfall.errors import HarnessError, HostSetAside
from landfall.standing import FILE_NAME, Standing


def test_host_that_failed_three_times_is_set_aside(tmp_path: Path) -> None:
    """The third failure is the last; it is told, and other hosts are not concerned."""
    standing = Standing(tmp_path)
    standing.note("beta", "refuses")
    for number in range(3):
        standing.check("alpha")
        standing.note("alpha", f"silent for {number} s")

    with pytest.raises(HostSetAside) as told:
        standing.check("alpha")
    standing.check("beta")

    sentence = "host alpha is set aside: it failed three times; the last: silent for 2 s"
    assert str(told.value) == sentence
    assert isinstance(told.value, HarnessError)
    assert standing.told() == (sentence,)


def test_run_without_failures_leaves_no_file(tmp_path: Path) -> None:
    """Where nothing failed, nothing is written, and nothing told."""
    standing = Standing(tmp_path)

    standing.check("alpha")

    assert standing.told() == ()
    assert list(tmp_path.iterdir()) == []


def test_processes_of_a_run_share_it(tmp_path: Path) -> None:
    """What several processes hold against a host at the same time is all kept, line by line."""
    code = (
        "import sys; from pathlib import Path; from landfall.standing import Standing\n"
        "for _ in range(100): Standing(Path(sys.argv[1])).note('alpha', 'é\\n' * 400)"
    )
    writers = [Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]

    assert [writer.wait(30) for writer in writers] == [0] * 4
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 400
    assert "it failed 400 times" in Standing(tmp_path).told()[0]
