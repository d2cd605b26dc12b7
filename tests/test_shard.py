# SPDX-License-Identifier: Apache-2.0
"""Shards together are the whole, and no scenario is in two, however they are collected."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.plugin.collection import shard_of
from tests.command import ROOT, SOUND, command, qualify

MOVED = str(ROOT / "suites" / "test_success.py")


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 7), st.randoms())
def test_shards_do_not_depend_on_the_order(ids: list[str], count: int, chance: object) -> None:
    """In whatever order ids come, each is in the same one of the shards, and they are even."""
    shuffled = list(ids)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    shards = [shard_of(ids, index, count) for index in range(1, count + 1)]

    assert shards == [shard_of(shuffled, index, count) for index in range(1, count + 1)]
    assert sorted(chain(*shards)) == sorted(ids)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def planned(profile: str, *words: str) -> list[str]:
    """Return the scenarios of a plan."""
    asked = ("--json", "--src-qemu", SOUND, "--profile", profile, *words)
    with command("-m", "landfall", "plan", *asked) as plan:
        ended = plan.ended()
    assert ended.status == 0, ended.errors
    return [row["id"] for row in json.loads(ended.output)["scenarios"]]


@pytest.mark.qemu
@pytest.mark.parametrize(("profile", "count"), [("default", 3), ("full", 2)])
def test_shards_are_the_whole(profile: str, count: int) -> None:
    """Of every suite's scenarios, each is in one shard."""
    whole = planned(profile)
    shards = [planned(profile, "--shard", f"{n}/{count}") for n in range(1, count + 1)]

    assert len(whole) == len(set(whole)) > 500
    assert sorted(chain(*shards)) == sorted(whole)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.qemu
def test_shards_are_the_whole_on_several_workers() -> None:
    """Run by two workers each, the shards run what one run would, each scenario once."""
    ran = []
    for shard in ("1/2", "2/2"):
        with qualify("-n", "2", "--shard", shard, MOVED) as run:
            ran.append(run.ended())
    with qualify("-qq", "--no-header", "--no-summary", "--plan=json", MOVED) as plan:
        whole = [row["id"] for row in json.loads(plan.ended().output)["scenarios"]]

    assert [one.status for one in ran] == [0, 0]
    assert sorted(chain(*(one.verdicts for one in ran))) == sorted(whole)
