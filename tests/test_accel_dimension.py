# SPDX-License-Identifier: Apache-2.0
"""What exists under one accelerator only is *unable* under another, and says so."""

from __future__ import annotations

import pytest

from tests.command import SOUND, command, qualify

pytestmark = pytest.mark.qemu

UNDER_KVM = ("--accel", "tcg", "-k", "test_invariant_tsc_blocks_migration")


def test_scenario_of_kvm_is_unable_under_tcg() -> None:
    """The reason names what is needed, what there is, and why."""
    with qualify(*UNDER_KVM, profile="default") as under_way:
        ended = under_way.ended()

    reasons = [scenario["reason"] for scenario in ended.scenarios]
    assert reasons == ["it exists under kvm only; this run uses tcg: asked for"]


def test_plan_knows_it_beforehand() -> None:
    """The plan tells the same without starting a guest."""
    chosen = ("--profile", "default", "--src-qemu", SOUND, *UNDER_KVM)
    with command("-m", "landfall", "plan", *chosen) as under_way:
        ended = under_way.ended()

    assert "0 of 1 scenarios would run" in ended.output
    assert "unable: it exists under kvm only; this run uses tcg: asked for" in ended.output
