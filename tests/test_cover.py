# SPDX-License-Identifier: Apache-2.0
"""Every two values that may meet do meet, in rows that may be: proven by trying them all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.capabilities import FEATURES, RULES, Rule, broken_by, chosen
from landfall.combinations import DIMENSIONS, NOTHING, SHAPES, SWITCHES, is_legal, whole
from landfall.combinations import combinations as ours
from landfall.cover import pairwise
from landfall.errors import UsageError
from landfall.feature import Feature
from landfall.transport import Live

Value = tuple[int, int]
"""A value of a dimension: the number of the one, and of the other."""
Pair = frozenset[Value]

sizes = st.lists(st.integers(1, 4), min_size=2, max_size=5)
forbidden = st.lists(
    st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 3))] * 2).map(frozenset), max_size=12
)


def met(row: Sequence[Value]) -> set[Pair]:
    """Return every two values of a row."""
    return {frozenset(pair) for pair in combinations(row, 2)}


@given(sizes, forbidden)
def test_every_pair_that_may_be_is_there(sizes: list[int], forbidden: list[Pair]) -> None:
    """Whatever excludes what: a pair is in some row of ours if it is in any row that may be."""

    def legal(values: Sequence[Value]) -> bool:
        return not any(pair <= set(values) for pair in forbidden)

    dimensions = [[(d, v) for v in range(size)] for d, size in enumerate(sizes)]
    rows = pairwise(dimensions, legal)

    possible = [row for row in product(*dimensions) if legal(row)]
    assert all(legal(row) and len(row) == len(sizes) for row in rows)
    assert {pair for row in rows for pair in met(row)} == {
        pair for row in possible for pair in met(row)
    }


def test_cover_is_small() -> None:
    """Ten dimensions of two values need a dozen rows, not a thousand."""
    dimensions = [[(d, v) for v in range(2)] for d in range(10)]

    assert len(pairwise(dimensions, lambda _values: True)) <= 12


def test_cover_is_the_same_every_time() -> None:
    """Every worker collects the same combinations in the same order."""
    assert ours() == ours()


def test_no_combination_of_ours_is_forbidden() -> None:
    """What a combination tells both sides breaks no rule and can be had on its transport."""
    for combination in (*ours(), *whole()):
        told = {name for feature in combination.features for name in feature.capabilities}
        if combination.transport.two_way:
            told.add("return-path")
        assert broken_by(told) is None, combination
        for feature in combination.features:
            feature.require_transport(combination.transport)


def test_every_feature_meets_every_transport_that_it_may() -> None:
    """The cover has each feature on each transport, where the two go together."""
    transports = [value for value in DIMENSIONS[0] if isinstance(value, Live)]
    features = [
        v for values in DIMENSIONS[1:] for v in values if isinstance(v, Feature) and v.name
    ]
    together = {(c.transport.name, f.name) for c in ours() for f in c.features}

    for via, feature in product(transports, features):
        assert ((via.name, feature.name) in together) == is_legal([via, feature])


def test_whole_is_the_product_of_what_shapes_a_stream() -> None:
    """Every legal shape is there, and meets each switch that it may, on and off."""
    rows = [{row.transport, *row.features} for row in whole()]

    for shape in filter(is_legal, product(*SHAPES)):
        told = set(shape) - {NOTHING}
        met = [row for row in rows if row - {s for values in SWITCHES for s in values} == told]
        for [_, switch] in SWITCHES:
            may = is_legal([*shape, switch])
            assert {switch in row for row in met} == ({True, False} if may else {False})


def test_features_are_chosen_by_name() -> None:
    """Names with commas, in the order they were given; none chooses nothing."""
    assert [str(f) for f in chosen("xbzrle, tls")] == ["xbzrle", "tls"]
    assert chosen("") == ()
    assert [str(f) for f in chosen("postcopy-preempt")] == ["postcopy-preempt"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("warp", "there is no feature warp; there are xbzrle,"),
        ("xbzrle,multifd-4", "QEMU takes multifd and xbzrle never together; leave one out"),
    ],
    ids=["unknown", "illegal"],
)
def test_features_that_cannot_be_are_refused(names: str, why: str) -> None:
    """What is wrong with a choice is said in a line."""
    with pytest.raises(UsageError, match=why):
        chosen(names)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rule_forbids_what_it_says(rule: Rule) -> None:
    """Each rule forbids its own capabilities, and is satisfied by what it asks for."""
    assert rule.forbids(rule.on)
    assert not rule.forbids([])
    assert not (rule.without and rule.forbids({*rule.on, rule.without}))


def test_features_are_found_by_their_names() -> None:
    """A feature's name in the register is its own."""
    assert all(name == feature.name for name, feature in FEATURES.items())
