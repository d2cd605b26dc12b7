# SPDX-License-Identifier: Apache-2.0
"""The strongest CPU of two sides is found, with what is lost and why, from what each told."""

from __future__ import annotations

import pytest

from landfall.baseline.between import Common
from landfall.baseline.definitions import Definitions, Model, read
from landfall.baseline.libvirt import xml
from landfall.baseline.strongest import Pair, lost, strongest
from landfall.baseline.words import AMD, INTEL
from landfall.errors import Missing

PLAIN = frozenset({"lm", "nx", "sse2", "sse4.2", "avx", "aes"})
EPYC = Model("EPYC", 23, 1, 2, PLAIN | {"sse4a", "topoext"}, frozenset())
WESTMERE = Model("Westmere", 6, 44, 1, PLAIN - {"avx"}, frozenset())
HASWELL = Model("Haswell", 6, 60, 4, PLAIN | {"hle", "pcid"}, frozenset())
NAMES = (
    PLAIN
    | {"sse4a", "topoext", "hle", "pcid", "svm", "vmx", "invtsc", "pku", "bmi2", "vaes"}
    | {"fxsr-opt"}
)


def side(
    host: str,
    vendor: str,
    gives: frozenset[str],
    *models: Model,
    accel: str = "kvm",
    names: frozenset[str] = NAMES,
) -> Definitions:
    """What one side told; what it does not give, it lacks of each model."""
    told = {
        m.name: Model(m.name, m.family, m.model, m.stepping, m.features, m.features - gives)
        for m in models
    }
    stuck = frozenset({"invtsc"}) if accel == "kvm" else frozenset()
    return Definitions(host, "QEMU 10.0.2", accel, vendor, gives, stuck, names, told)


ALL = (EPYC, WESTMERE, HASWELL)
AMD_SIDE = side("amd", AMD, PLAIN | {"sse4a", "topoext", "svm", "bmi2", "pku"}, *ALL)
INTEL_SIDE = side("intel", INTEL, PLAIN | {"pcid", "vmx", "bmi2", "pku"}, *ALL)
CROSSING = Pair(AMD_SIDE, INTEL_SIDE, same_layout=False)


def test_two_makers_share_the_model_of_which_most_is_left() -> None:
    """Of two makers' hosts, the model of which most is left is taken, and what both have added."""
    one = strongest(CROSSING)

    assert one.cpu == "Westmere,vendor=GenuineIntel,+avx,+bmi2,enforce"


def test_the_way_does_not_matter() -> None:
    """From there to here the CPU is the same: a guest goes there and back."""
    back = Pair(INTEL_SIDE, AMD_SIDE, same_layout=False)

    assert strongest(back) == strongest(CROSSING)


def test_hosts_of_one_maker_have_a_model_of_that_maker() -> None:
    """A model of another maker is never taken, however much of it both have."""
    other = side("rome", AMD, AMD_SIDE.gives - {"topoext"}, *ALL)

    one = strongest(Pair(AMD_SIDE, other, same_layout=False))

    assert one.cpu == "EPYC,-topoext,+bmi2,enforce"


def test_of_equal_models_the_newest_is_taken() -> None:
    """Of models with as many features, that with the greater numbers is taken."""
    old = Model("Old", 23, 1, 1, PLAIN, frozenset())
    new = Model("New", 25, 0, 0, PLAIN, frozenset())
    here, there = (side(name, AMD, PLAIN, new, old) for name in ("a", "b"))

    assert strongest(Pair(here, there, same_layout=True)).model == "New"


def test_model_of_which_little_is_left_is_not_taken() -> None:
    """A great model of which much must go is weaker than a lesser one that is whole."""
    much = Model("Great", 26, 0, 0, PLAIN | {"vaes", "pcid", "hle"}, frozenset())
    here, there = (side(name, AMD, PLAIN, much, EPYC) for name in ("a", "b"))

    assert strongest(Pair(here, there, same_layout=True)).model == "EPYC"


def test_model_that_a_build_cannot_be_told_to_change_is_not_taken() -> None:
    """Where one build has no name for what must go, the model is no choice."""
    here = side("a", AMD, PLAIN, Model("Newer", 25, 1, 1, PLAIN | {"novel"}, frozenset()), EPYC)
    there = side("b", AMD, PLAIN, Model("Newer", 25, 1, 1, PLAIN, frozenset()), EPYC)

    assert strongest(Pair(here, there, same_layout=True)).model == "EPYC"


def test_no_common_model_is_told_in_one_line() -> None:
    """Two builds without a model in common say so, and which they are."""
    alone = side("intel", INTEL, PLAIN, HASWELL)

    with pytest.raises(Missing, match=r"QEMU 10.0.2 on host amd and .* no CPU model in common"):
        strongest(Pair(side("amd", AMD, PLAIN, EPYC), alone, same_layout=False))


def test_each_loss_has_its_reason() -> None:
    """What a side has and the baseline has not is told by the reason."""
    losses = lost(CROSSING, AMD_SIDE, strongest(CROSSING))

    by_flag = {flag: reason for reason, flags in losses.items() for flag in flags}
    assert by_flag["sse4a"] == "AMD's alone, and absent from QEMU 10.0.2 on host intel"
    assert by_flag["svm"] == "AMD's alone, and absent from QEMU 10.0.2 on host intel"
    assert "blocks migration" in by_flag["invtsc"]
    assert "XSAVE" in by_flag["pku"]
    assert set(by_flag) == (AMD_SIDE.gives | AMD_SIDE.stuck) - strongest(CROSSING).features


def test_tcg_and_an_older_build_are_named_as_reasons() -> None:
    """What TCG lacks, and what a build has no name for, is told as such."""
    here = side("a", AMD, PLAIN | {"bmi2", "vaes"}, EPYC, accel="tcg")
    there = side("b", AMD, PLAIN, EPYC, accel="tcg", names=NAMES - {"vaes"})
    pair = Pair(here, there, same_layout=True)

    assert lost(pair, here, strongest(pair)) == {
        "QEMU 10.0.2 on host b does not know it": ("vaes",),
        "TCG of QEMU 10.0.2 on host b lacks it": ("bmi2",),
    }


@pytest.mark.parametrize(("vendor", "kept"), [(AMD, False), (INTEL, True)])
def test_state_behind_avx_stays_where_its_place_is_sure(vendor: str, *, kept: bool) -> None:
    """Of two kinds of AMD's processors PKU is left out: its place may differ; Intel's has one."""
    model = EPYC if vendor == AMD else HASWELL
    here, there = (side(n, vendor, PLAIN | {"pku"}, model) for n in ("a", "b"))

    one = strongest(Pair(here, there, same_layout=False))

    assert ("pku" in one.features) is kept


def test_nested_virtualization_is_not_given_by_itself() -> None:
    """What both have for guests of a guest's own is not added to a model without it."""
    here, there = (side(n, AMD, PLAIN | {"svm", "vgif"}, EPYC) for n in ("a", "b"))

    assert strongest(Pair(here, there, same_layout=True)).adds == frozenset()


def test_libvirt_is_told_in_its_own_words() -> None:
    """The XML names the maker, and features as libvirt calls them."""
    model = Model("EPYC", 23, 1, 2, PLAIN | {"fxsr-opt"}, frozenset())
    here, there = side("a", AMD, PLAIN, model), side("b", INTEL, PLAIN, model)
    pair = Pair(here, there, same_layout=False)

    told = xml(Common("q35", "kvm", pair, strongest(pair)))

    assert "<model fallback='forbid' vendor_id='AuthenticAMD'>EPYC</model>" in told
    assert "<feature policy='disable' name='fxsr_opt'/>" in told


def test_answers_are_read() -> None:
    """Answers of QMP become definitions: what is deprecated, versioned or unsafe is no model."""
    base = {"static": False, "migration-safe": True, "deprecated": False}
    cpus = [
        {**base, "name": "EPYC", "unavailable-features": ["topoext"]},
        {**base, "name": "EPYC-v1", "unavailable-features": []},
        {**base, "name": "Icelake-Client", "deprecated": True},
        {**base, "name": "max", "migration-safe": False},
    ]
    props = {"family": 23, "model": 1, "stepping": 2, "vendor": AMD, "lm": True, "svm": False}
    told = {
        "EPYC": {"model": {"props": {**props, "topoext": True}}},
        "max": {"model": {"props": props}},
        "stuck": {"model": {"props": {**props, "invtsc": True}}},
    }

    found = read("QEMU 10.0.2", "amd", "kvm", cpus, told)

    assert found.models == {
        "EPYC": Model("EPYC", 23, 1, 2, frozenset({"lm", "topoext"}), frozenset({"topoext"}))
    }
    assert (found.gives, found.stuck) == (frozenset({"lm"}), frozenset({"invtsc"}))
    assert found.names == {"lm", "svm"}
