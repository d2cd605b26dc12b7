# SPDX-License-Identifier: Apache-2.0
"""A selector says what a host must be like; one that does not fit is told why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import UsageError
from landfall.inventory.selector import Fact, Selector

FACTS: dict[str, Fact] = {
    "vendor": "amd",
    "kvm": True,
    "virtual": False,
    "memory": 8192,
    "label": ("rack1", "10-gigabit"),
    "kernel": "6.1.0",
    "swap": 0,
}
FIT = [
    "vendor=amd", "vendor!=intel", "kvm", "!virtual", "kvm=true", "virtual=no", "memory>=8192",
    "memory<=8192", "memory>8191", "memory<8193", "memory=8192", "memory!=1", "label=rack1",
    "label!=rack2", "label", "kernel=6.1.0", "!swap", " kvm , vendor=amd ",
    "vendor=amd,kvm,memory>=8192,!virtual,label=rack1",
]  # fmt: skip
UNFIT = [
    ("vendor=intel", "vendor=intel: vendor is amd"),
    ("vendor!=amd", "vendor!=amd: vendor is amd"),
    ("!kvm", "!kvm: kvm is true"),
    ("virtual", "virtual: virtual is false"),
    ("memory>=8193", "memory>=8193: memory is 8192"),
    ("label=rack2", "label=rack2: label is rack1, 10-gigabit"),
    ("alpah", "alpah: alpah is not known of it"),
    ("!sev", "!sev: sev is not known of it"),
    ("sev!=2", "sev!=2: sev is not known of it"),
    ("kvm>=1", "kvm>=1: kvm is true"),
    ("kernel>=6", "kernel>=6: kernel is 6.1.0"),
    ("kvm,vendor=intel,virtual", "vendor=intel: vendor is amd; virtual: virtual is false"),
]
NONE = ["", "a,,b", "!a=b", "a=", "=a", "a==b", "a b", "memory>=lots", "memory>=8G", "a=b=c", "1"]
WORDS = st.text(st.sampled_from("ab1!=<>, "), max_size=8)


@pytest.mark.parametrize("text", FIT)
def test_host_fits_that_is_so(text: str) -> None:
    """A host that meets every condition fits, and there is nothing to explain."""
    assert Selector.parse(text).matches(FACTS)
    assert Selector.parse(text).explain(FACTS) == ""


@pytest.mark.parametrize(("text", "why"), UNFIT)
def test_host_that_does_not_fit_is_told_why(text: str, why: str) -> None:
    """Each condition that a host fails is told, with what was found; what is unknown fails."""
    assert not Selector.parse(text).matches(FACTS)
    assert Selector.parse(text).explain(FACTS) == why


@pytest.mark.parametrize("text", NONE)
def test_bad_selector_gets_one_clear_line(text: str) -> None:
    """What is no selector is refused, with what one looks like."""
    with pytest.raises(UsageError, match=r"^selector .* is no .*; give conditions such as") as no:
        Selector.parse(text)

    assert "\n" not in str(no.value)


@given(WORDS, st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.just("a")))
def test_selector_decides_or_is_refused(text: str, facts: dict[str, Fact]) -> None:
    """Whatever is written is refused as a selector, or decides and tells the same."""
    try:
        selector = Selector.parse(text)
    except UsageError:
        return

    assert selector.matches(facts) is (selector.explain(facts) == "")
    assert Selector.parse(selector.text) == selector
