# SPDX-License-Identifier: Apache-2.0
"""The doctor tells of each guest with a kernel which that would be, and fetches none."""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall import doctor, guest
from landfall.errors import HarnessError, Missing
from landfall.host import LocalHost
from landfall.linux import kernel

LINUX = (64, 32)


@pytest.fixture
def no_agent_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every guest's program is there."""
    monkeypatch.setattr(guest, "program", lambda *_: Path("/cache/linux-1/agent"))


@pytest.mark.usefixtures("no_agent_is_built")
def test_kernel_that_would_be_used(monkeypatch: pytest.MonkeyPatch, host: LocalHost) -> None:
    """For either width there is a check that says where its kernel is from."""
    monkeypatch.setattr(kernel, "outlook", lambda bits, *_: f"a kernel of {bits} bits")

    checks = list(doctor._kernels(host))

    assert all(check.works for check in checks)
    assert [(c.name, c.fact) for c in checks if "kernel" in c.name] == [
        (f"  linux-{bits}: kernel", f"a kernel of {bits} bits") for bits in LINUX
    ]


@pytest.mark.usefixtures("no_agent_is_built")
def test_no_kernel(monkeypatch: pytest.MonkeyPatch, host: LocalHost) -> None:
    """Where there is none, it says why and what to do, and that is nothing essential."""

    def none(*_: object) -> str:
        raise Missing("no package: the machine runs slackware; no boot/vmlinuz-VERSION under /")

    monkeypatch.setattr(kernel, "outlook", none)

    lacking = [check for check in doctor._kernels(host) if not check.works]

    assert len(lacking) == len(LINUX)
    assert all("slackware" in check.fact for check in lacking)
    assert all("--guest-kernel PATH" in check.remedy for check in lacking)
    assert not any(check.name.startswith("guest") for check in lacking)


@pytest.mark.parametrize("error", [Missing("makes no static programs"), HarnessError("no gcc")])
def test_no_agent(monkeypatch: pytest.MonkeyPatch, host: LocalHost, error: Exception) -> None:
    """Where the agent cannot be built, it says so beside the kernel that there is."""

    def none(*_: object) -> Path:
        raise error

    monkeypatch.setattr(guest, "program", none)
    monkeypatch.setattr(kernel, "outlook", lambda *_: "6.1.0")

    checks = list(doctor._kernels(host))

    assert [check.works for check in checks] == [False, True] * len(LINUX)
    assert checks[0].fact == str(error)
    assert "install gcc" in checks[0].remedy
