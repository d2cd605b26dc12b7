# SPDX-License-Identifier: Apache-2.0
"""What differs between two hosts and matters to a guest is told, each with its reason."""

from __future__ import annotations

from dataclasses import replace

from landfall.facts import Difference, Facts, differences
from tests.test_facts import facts_of


def between(source: Facts, destination: Facts) -> dict[str, Difference]:
    """Return the differences by their facts."""
    return {one.fact: one for one in differences(source, destination)}


def test_a_host_differs_in_nothing_from_itself() -> None:
    """Two hosts of the same make have no difference, whatever they are called."""
    xeon = facts_of("xeon")

    assert differences(xeon, replace(xeon, host="other", boot="another", memory=1)) == ()


def test_another_architecture_is_fatal_and_comes_first() -> None:
    """An x86 and an ARM are no pair; their flags, of which none is common, are not counted up."""
    found = differences(facts_of("xeon"), facts_of("neoverse"))

    assert [(one.fact, one.fatal) for one in found[:2]] == [
        ("architecture", True),
        ("page size", True),
    ]
    assert not any(one.fatal for one in found[2:])
    assert "CPU flags" not in {one.fact for one in found}
    assert str(found[0]).startswith(
        "architecture: x86_64 on the source's host, aarch64 on the destination's; "
    )


def test_another_page_size_is_fatal() -> None:
    """Two ARMs, one of whose kernels has large pages, are no pair."""
    large = facts_of("neoverse")

    [found] = differences(replace(large, page_size=4096), large)

    assert found.fatal
    assert (found.source, found.destination) == ("4096", "65536")
    assert "postcopy refuses it" in found.reason


def test_two_vendors_are_told_and_not_fatal() -> None:
    """Between Intel and AMD much is told, the flags of each side too, and nothing is fatal."""
    found = between(facts_of("xeon"), facts_of("epyc"))

    assert not any(one.fatal for one in found.values())
    assert found["vendor"].destination == "amd"
    assert found["CPU flags"].source.startswith("only ")
    assert " more" in found["CPU flags"].source
    assert found["/dev/kvm opens"].destination == "no"
    assert found["BogoMIPS"].source == "4000.00"
    assert "microcode" not in found  # it is another CPU's


def test_microcode_matters_to_the_same_cpu() -> None:
    """Of the same CPU another microcode is told, and that is all."""
    epyc = facts_of("epyc")

    [found] = differences(epyc, replace(epyc, microcode="0xa0011ff"))

    assert (found.fact, found.destination) == ("microcode", "0xa0011ff")


def test_clocks_of_the_hosts_matter() -> None:
    """A TSC that may stop, that cannot be scaled, or that the kernel does not use, is told."""
    epyc = facts_of("epyc")
    worse = replace(
        epyc, flags=epyc.flags - {"nonstop_tsc", "tsc_scale"}, clock_source="hpet", bogomips=5600.0
    )

    found = between(epyc, worse)

    assert found.keys() == {"flags of the TSC", "TSC scaling", "clock source"}
    assert found["flags of the TSC"].source == "only nonstop_tsc"
    assert found["flags of the TSC"].destination == "only nothing"


def test_what_a_host_does_not_tell_is_no_difference() -> None:
    """Nothing is held against a host that told its architecture only."""
    xeon = facts_of("xeon")

    found = differences(xeon, Facts("alpha", "x86_64", kvm_opens=True))

    assert found == ()
