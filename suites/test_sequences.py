# SPDX-License-Identifier: Apache-2.0
"""Whatever is done in whatever order, one side has the guest, and all of its memory.

The promises of the KVM project's Migration page (2009) hold at each step of a sequence, not for
one migration alone: «The guest continues to run on the source host upon failure», and its
memory is its own wherever it runs. Hypothesis draws a sequence by its seed from what is legal then
(landfall.sequences.model): migrate, again, cancel, stop, cont, set parameters, end the
destination, cut the connection, postcopy, pause, recover. After each step it is looked where the
guest is. A failure means that an order of ordinary operations loses a guest, damages it or
runs it twice; the scenario's evidence holds the steps (sequence.txt).
"""

from __future__ import annotations

import pytest

from landfall.build import QemuBuild
from landfall.sequences.replay import walk
from landfall.sequences.steps import Step
from landfall.vm import VM

FEW, MANY = range(1, 9), range(9, 201)
SEEDS = [
    *(pytest.param(seed, id=f"seed-{seed}") for seed in FEW),
    *(pytest.param(seed, id=f"seed-{seed}", marks=pytest.mark.full) for seed in MANY),
]


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is who has the guest."""
    return max(16, least_memory)


@pytest.mark.parametrize("seed", SEEDS)
def test_guest_is_where_it_should_be(
    source: VM, seed: int, builds: tuple[QemuBuild, QemuBuild], sequence: tuple[Step, ...]
) -> None:
    """At each step of a random sequence the guest is on one side, as it was told to be."""
    assert walk(source, seed, builds, sequence).alive
