# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a migration is done, alone and together.

QEMU's capabilities are its own promise: each is described in qapi/migration.json, and what QEMU
takes it has to carry out. Each two that may meet do meet here, over each transport that they can
be had on (landfall.combinations); in full the product of all that shapes a stream, each with every
switch on and off. What a build has not is left out of its set. A failure means that a guest is
lost by settings that QEMU has accepted.
"""

from __future__ import annotations

import pytest

from landfall.build import QemuBuild
from landfall.combinations import Combination, combinations, whole
from landfall.feature import Feature
from landfall.migration import migrate
from landfall.vm import VM


@pytest.fixture
def combination(request: pytest.FixtureRequest) -> Combination:
    """A transport, and what both sides are told."""
    wanted: Combination = request.param
    return wanted


@pytest.fixture
def features(combination: Combination, builds: tuple[QemuBuild, QemuBuild]) -> tuple[Feature, ...]:
    """What of it both builds have."""
    return combination.features_in(builds)


COVER = combinations()
PRODUCT = [
    pytest.param(one, id=str(one), marks=pytest.mark.full)
    for one in dict.fromkeys(whole())
    if one not in COVER
]


@pytest.mark.parametrize("combination", [*COVER, *PRODUCT], ids=str, indirect=True)
def test_guest_continues_by_whatever_was_taken(
    source: VM, destination: VM, combination: Combination
) -> None:
    """A guest continues by every capability, each with each that it may meet."""
    outcome = migrate(source, to=destination, via=combination.transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest
