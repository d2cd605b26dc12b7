# SPDX-License-Identifier: Apache-2.0
"""What cannot be done is refused, in words that name it, and nothing is changed by asking.

migrate_caps_check and migrate_params_check (migration/options.c, QEMU 10.0) say which
capabilities exclude each other and what bounds parameters have; qapi/migration.json says the
bounds to users. A failure means that somebody who asks for the impossible is not told, or is left
with something that he did not ask for.
"""

from __future__ import annotations

import pytest

from landfall.asking import LIMITS, Limit, ask_of_pairs, ask_too_much
from landfall.vm import VM


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: nothing is moved."""
    return max(8, least_memory)


def test_capabilities_that_exclude_each_other_are_refused(source: VM) -> None:
    """Of any two capabilities QEMU takes both, or names the one that cannot be."""
    ask_of_pairs(source)


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_value_that_cannot_be_is_refused(source: VM, limit: Limit) -> None:
    """A parameter's value beyond its bounds is refused by the parameter's name."""
    limit.require(source.build)

    ask_too_much(source, limit)
