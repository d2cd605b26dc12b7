# SPDX-License-Identifier: Apache-2.0
"""Which CPU a guest is given between two hosts, and that what only one has does not cross."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from landfall.baseline.between import Common
from landfall.baseline.definitions import Definitions
from landfall.baseline.strongest import Baseline, Pair
from landfall.baseline.words import AMD, INTEL
from landfall.build import QemuBuild
from landfall.errors import Missing, PromiseBroken, UsageError
from landfall.facts import Facts
from landfall.foreign_cpu import expect_the_same_rate, expect_two_kinds, flag_of, refused
from landfall.history import UNSCALED
from landfall.plugin import cpus
from landfall.plugin.bench import Bench
from landfall.vm import VM
from tests.command import qualify

BOTH = Baseline("Westmere", INTEL, frozenset(), frozenset(), frozenset({"lm"}))


def bench(*vendors: str, accel: str = "kvm", cpu: str = "", **facts: Any) -> Bench:
    """A bench of two hosts with processors of some makers, and what they both give."""
    builds = [
        SimpleNamespace(host=SimpleNamespace(name=name), path=name, machines={})
        for name in ("here", "there")
    ]
    told = {
        name: Facts(name, "x86_64", vendor=vendor, **facts)
        for name, vendor in zip(("here", "there"), vendors, strict=True)
    }
    found = SimpleNamespace(baseline=BOTH)
    made = SimpleNamespace(
        source=builds[0],
        destination=builds[1],
        pair=SimpleNamespace(facts=told),
        accel=SimpleNamespace(name=accel),
        settings=SimpleNamespace(cpu=cpu, matrix=(), machine_type="q35"),
        baselines={("here", "there", "q35"): found},
    )
    return cast(Bench, made)


@pytest.mark.parametrize(
    ("vendors", "accel", "asked", "model"),
    [
        (("amd", "amd"), "kvm", "", "qemu64"),
        (("amd", "intel"), "tcg", "", "qemu64"),
        (("amd", "intel"), "kvm", "", BOTH.cpu),
        (("amd", "amd"), "kvm", "baseline", BOTH.cpu),
        (("amd", "intel"), "kvm", "EPYC", "EPYC"),
    ],
)
def test_open_cpu_is_what_both_hosts_show_alike(
    vendors: tuple[str, str], accel: str, asked: str, model: str
) -> None:
    """qemu64, unless two hosts would show a guest two vendors, or something is asked for."""
    assert cpus.model_for(bench(*vendors, accel=accel, cpu=asked), "q35") == model


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("qemu64,-nx", f"qemu64,-nx,vendor={AMD}"),
        (f"qemu64,vendor={INTEL}", f"qemu64,vendor={INTEL}"),
        ("host", "host"),
    ],
)
def test_narrowed_cpu_says_its_maker_between_two(wanted: str, given: str) -> None:
    """Between two makers' hosts a model is started alike on both by saying whose it is."""
    assert cpus.given(bench("amd", "intel"), wanted) == given
    assert cpus.given(bench("amd", "amd"), wanted) == wanted


def test_tsc_of_a_frequency_needs_a_host_that_scales_it() -> None:
    """Where a host tells that it scales no TSC, a guest with a rate of its own is unable."""
    unscaling = bench("amd", "amd", flags=frozenset({"svm"}))
    scaling = bench("amd", "amd", flags=frozenset({"svm", "tsc_scale"}))

    assert cpus.given(scaling, "qemu64,tsc-frequency=1") == "qemu64,tsc-frequency=1"
    with pytest.raises(Missing, match="host here cannot scale a TSC"):
        cpus.given(unscaling, "qemu64,tsc-frequency=1")


def test_run_whose_cpu_no_host_can_give_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked of the whole run, and cannot be, is told before anything is run."""
    asked = "qemu64,tsc-frequency=1"
    monkeypatch.setattr(cpus, "type_for", lambda *_asked: "q35")
    with pytest.raises(UsageError, match=f"--cpu {asked}: host here cannot scale a TSC"):
        cpus.check(bench("amd", "amd", cpu=asked, flags=frozenset({"svm"})))


def test_rate_is_unable_where_qemu_warns_of_it() -> None:
    """A destination that has warned of another rate shows nothing of the rate."""
    silent = SimpleNamespace(stderr="", host=SimpleNamespace(name="there"))
    warned = SimpleNamespace(stderr=f"warning: {UNSCALED}", host=silent.host)

    expect_the_same_rate(cast(VM, silent))
    with pytest.raises(Missing, match="host there cannot scale a TSC"):
        expect_the_same_rate(cast(VM, warned))


def told(host: str, *gives: str) -> Definitions:
    """What a side gives."""
    names = frozenset({"aes", "avx", "svm", "lm"})
    had = frozenset(gives)
    return Definitions(host, "QEMU 10.0.2", "kvm", AMD, had, frozenset(), names, {})


class _Build(SimpleNamespace):
    def __str__(self) -> str:
        return "QEMU 10.0.2"


def test_flag_of_the_other_host_is_found_or_missing() -> None:
    """What is to be refused is what the other side has alone, nested virtualization first."""
    here, there = told("here", "lm", "aes", "avx", "svm"), told("there", "lm", "aes")
    common = Common("q35", "kvm", Pair(here, there, same_layout=True), BOTH)
    builds = [cast(QemuBuild, _Build(host=SimpleNamespace(name=n))) for n in ("here", "there")]

    assert flag_of(common, builds[1]) == "svm"
    with pytest.raises(Missing, match=r"gives all that QEMU 10.0.2 on host there does"):
        flag_of(common, builds[0])


def test_one_kind_of_processor_is_no_two() -> None:
    """Two hosts that give the same show nothing of another processor."""
    alike = Pair(told("here", "lm"), told("there", "lm"), same_layout=True)
    other = Pair(told("here", "lm"), told("there", "lm", "avx"), same_layout=True)

    expect_two_kinds(Common("q35", "kvm", other, BOTH))
    with pytest.raises(Missing, match="give the same"):
        expect_two_kinds(Common("q35", "kvm", alike, BOTH))


@pytest.mark.qemu
def test_flag_that_is_taken_convicts(start: Callable[..., tuple[VM, VM]]) -> None:
    """A QEMU that starts with what it should refuse has broken its word; one that refuses not."""
    source, _ = start()

    assert "tsc-deadline" in refused(source, source.build, "qemu64,enforce", "tsc-deadline")
    with pytest.raises(PromiseBroken, match="waits for it"):
        refused(source, source.build, "qemu64,enforce", "aes")


@pytest.mark.qemu
@pytest.mark.parametrize("model", ["no-such", "EPYC,enforce"])
def test_cpu_that_cannot_be_is_told_in_one_line(model: str) -> None:
    """A model that a build cannot give is told before anything is run."""
    with qualify("--cpu", model) as run:
        ended = run.ended()

    assert ended.status == 4
    assert f"does not start with -M q35 -accel tcg -cpu {model}" in ended.errors + ended.output
