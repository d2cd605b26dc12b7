# SPDX-License-Identifier: Apache-2.0
"""Rules of differences are seen broken, and a note hides nothing that QEMU itself did."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from landfall.difference import ALIKE, Accepted, Answer, Refused, Rule, Undocumented
from landfall.differences import ACCEPTED, GAINING, LACKING, REFUSED, UNDOCUMENTED
from landfall.errors import Missing, PromiseBroken
from landfall.history import History
from landfall.judgement import Judgement
from landfall.line import Heard
from landfall.migration import migrate
from landfall.offer import offer
from landfall.oracles import ORACLES, judge
from landfall.stage import Stage
from landfall.transport import EXEC_FILE, TCP
from landfall.verdict import Verdict
from landfall.vm import VM
from tests.life import beats, moved, statement, with_destination, with_source

Start = Callable[..., tuple[VM, VM]]
MUTATE = shlex.join([sys.executable, "-m", "landfall.mutants"])
MISMATCH = "qemu: Size mismatch: pc.ram: 0x1 != 0x2\nqemu: load of migration failed\n"
THERE = {"destination"}
"""Where no promise covers the guest."""
LESS_MEMORY = next(difference for difference in REFUSED if difference.name == "less-memory")


# -- rules ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "answer", "complaint"),
    [
        pytest.param(Refused("x.c", "Size"), Answer(False, 1, MISMATCH), "", id="refused"),  # noqa: FBT003
        pytest.param(Refused("x.c", "Size"), Answer(True), "took the guest, which x.c", id="took"),  # noqa: FBT003
        pytest.param(
            Refused("x.c", "Unknown"), Answer(False, 1, MISMATCH), "not with 'Unknown'", id="other"  # noqa: FBT003
        ),
        pytest.param(
            Refused("x.c", "Size"), Answer(False, -11, MISMATCH), "status -11", id="crashed"  # noqa: FBT003
        ),
        pytest.param(Accepted("x.c"), Answer(True), "", id="accepted"),  # noqa: FBT003
        pytest.param(
            Accepted("x.c"), Answer(False, 1, MISMATCH), "which x.c lets in", id="not-accepted"  # noqa: FBT003
        ),
        pytest.param(Undocumented("x.c"), Answer(True), "", id="taken"),  # noqa: FBT003
        pytest.param(Undocumented("x.c"), Answer(False, 1, MISMATCH), "", id="turned-down"),  # noqa: FBT003
        pytest.param(Undocumented("x.c"), Answer(False, -6, ""), "status -6", id="aborted"),  # noqa: FBT003
    ],
)  # fmt: skip
def test_rule_says_how_it_is_broken(rule: Rule, answer: Answer, complaint: str) -> None:
    """A rule is broken by the wrong answer, by other words, and by an end out of order."""
    said = rule.broken_by(answer)

    assert complaint in said
    assert bool(said) == bool(complaint)


def test_every_difference_has_a_name_of_its_own() -> None:
    """Names are ids: no two differences share one, and each has a source."""
    table = [*REFUSED, *ACCEPTED, *UNDOCUMENTED, *LACKING, *GAINING]

    assert len({difference.name for difference in table}) == len(table)
    assert all(difference.what and difference.rule.source for difference in table)


@pytest.mark.qemu
def test_capability_that_a_build_lacks_is_missing(start: Start) -> None:
    """A difference that needs a capability cannot be tried on a build without it."""
    source, destination = start()
    unheard_of = replace(ALIKE, capability="telepathy")

    with pytest.raises(Missing, match="no migration capability telepathy"):
        offer(source, to=destination, via=TCP, despite=unheard_of)


@pytest.mark.parametrize("machine_type", ["q35", "pc", "pc-q35-7.2", "pc-i440fx-10.0"])
def test_difference_fits_every_pc(machine_type: str) -> None:
    """What a PC may differ in can be tried on every version of it."""
    LESS_MEMORY.require_machine(machine_type)


def test_difference_that_is_not_written_for_a_machine_is_missing() -> None:
    """Where the parts have other names or there is no PCI bus, nothing is tried, nor accused."""
    with pytest.raises(Missing, match="machine type microvm not"):
        LESS_MEMORY.require_machine("microvm")


@pytest.mark.qemu
def test_guest_that_should_be_refused_and_is_taken_is_told(start: Start) -> None:
    """A destination that takes what it must refuse breaks the rule, which is named."""
    source, destination = start()

    taken = offer(source, to=destination, via=TCP, despite=LESS_MEMORY)

    with pytest.raises(PromiseBroken, match=r"took the guest, which system/physmem\.c"):
        taken.expect_the_rule()


@pytest.mark.qemu
def test_destination_that_dies_of_something_else_is_told(start: Start) -> None:
    """A destination that ended for another reason has not refused."""
    source, destination = start(through=f"{MUTATE} truncate")

    refused = offer(source, to=destination, via=EXEC_FILE, despite=LESS_MEMORY)

    assert not refused.answer.accepted
    with pytest.raises(PromiseBroken, match="refused the guest, but not with 'Size mismatch"):
        refused.expect_the_rule()


@pytest.mark.qemu
def test_source_of_a_refused_file_may_go_on(start: Start, judged: Callable[[], Judgement]) -> None:
    """A source whose file was refused runs the guest again, and that breaks no promise."""
    source, _alike = start()
    smaller = source.twin("smaller", memory=8)
    smaller.start()
    smaller.connect()

    offer(source, to=smaller, via=EXEC_FILE, despite=LESS_MEMORY).expect_the_rule()
    source.cont()

    assert source.owns_the_guest
    assert [finding.verdict for finding in judged().findings] == [Verdict.KEPT] * len(ORACLES)


# -- notes ------------------------------------------------------------------


def verdicts(history: History) -> dict[str, Verdict]:
    """Return what each oracle says where no promise covers the guest on the destination."""
    return {finding.oracle: finding.verdict for finding in judge(history, THERE)}


def changed_register(at: float) -> Heard:
    """Return a guest's statement that a register changed."""
    return Heard(statement("@34 register cpu=0 name=cpuid.1.ecx found=1 expected=3"), at)


def test_what_the_guest_suffers_is_noted() -> None:
    """A register that changed where no promise covers the guest is noted, and told."""
    history = moved()
    heard = (*history.sides[1].heard, changed_register(1.5))

    findings = judge(with_destination(history, heard=heard), THERE)

    noted = [finding for finding in findings if finding.verdict is Verdict.NOTED]
    assert [finding.oracle for finding in noted] == ["cpu"]
    assert "cpuid.1.ecx" in noted[0].observations[0].text


def test_what_the_guest_suffered_before_still_convicts() -> None:
    """A register that changed on the source is no matter of the destination's risk."""
    history = moved()
    early = Heard(statement("@29 register cpu=0 name=rax found=1 expected=3"), 1.0)
    heard = (*history.sides[0].heard, early)

    assert verdicts(with_source(history, heard=heard))["cpu"] is Verdict.BROKEN


def test_silence_where_no_promise_covers_the_guest_is_noted() -> None:
    """A guest that fell silent at its own risk is noted by every oracle that saw nothing."""
    silent = verdicts(with_destination(moved(), heard=()))

    assert silent["ownership"] is Verdict.NOTED
    assert silent["memory"] is Verdict.NOTED
    assert Verdict.BROKEN not in silent.values()


def test_two_owners_are_convicted_whatever_the_risk() -> None:
    """A source that runs beside a destination at its own risk breaks the promise of ownership."""
    assert verdicts(with_source(moved(), status="running"))["ownership"] is Verdict.BROKEN


@pytest.mark.parametrize("status", [-11, 1])
def test_qemu_that_dies_is_convicted_whatever_the_risk(status: int) -> None:
    """A destination that dies after it took the guest breaks the contract, at whose risk ever."""
    died = with_destination(moved(), exit_status=status, ended_by_us="")

    assert verdicts(died)["contract"] is Verdict.BROKEN


def test_risk_goes_on_with_the_guest() -> None:
    """What a guest suffers further on, having been at its own risk, is noted as well."""
    first = moved()
    onward = replace(
        first.sides[1], name="further", origin="destination", heard=beats(3, 9, 2.0, 0.1)
    )
    history = replace(first, sides=(*first.sides, onward))

    assert verdicts(history)["time"] is not Verdict.BROKEN
    assert {f.oracle for f in judge(history) if f.verdict is Verdict.BROKEN} >= {"time"}


def test_nothing_is_noted_where_every_promise_holds() -> None:
    """A guest at its own risk that suffers nothing is seen to suffer nothing."""
    assert set(verdicts(moved()).values()) == {Verdict.KEPT}


@pytest.mark.qemu
def test_cpu_that_was_exchanged_is_seen(
    start: Start, stage: Stage, judged: Callable[[], Judgement]
) -> None:
    """A guest that was given a CPU without SSE3 says so: broken, or noted where it is noted."""
    source, _alike = start()
    weaker = source.twin("weaker", cpu="qemu64,-pni")
    weaker.start()
    weaker.connect()
    migrate(source, to=weaker, via=TCP)

    stage.note("QEMU took it", at_own_risk=True)
    judgement = judged()

    assert judgement.observations == ()
    assert "register cpuid.1.ecx" in judgement.suffered[0].text


@pytest.mark.qemu
def test_note_hides_no_second_owner(
    start: Start, stage: Stage, judged: Callable[[], Judgement]
) -> None:
    """A source that is told to go on beside a guest at its own risk is convicted."""
    source, destination = start()
    migrate(source, to=destination, via=TCP)

    stage.note("QEMU took it", at_own_risk=True)
    source.cont()
    judgement = judged()

    broken = [f.oracle for f in judgement.findings if f.verdict is Verdict.BROKEN]
    assert "ownership" in broken


@pytest.mark.qemu
def test_note_covers_no_guest_that_has_not_left(
    start: Start, stage: Stage, judged: Callable[[], Judgement]
) -> None:
    """A guest that is on its source is never at its own risk."""
    source, _destination = start()
    stage.note("nothing happened", at_own_risk=True)

    source.stop()
    judgement = judged()

    assert stage.at_own_risk == set()
    assert judgement.suffered == ()


@pytest.mark.qemu
@pytest.mark.parametrize("lives", [True, False], ids=["lives-on", "ends"])
def test_destination_that_hangs_up_because_it_ends_is_not_deaf(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    lives: bool,  # noqa: FBT001 - a dimension
) -> None:
    """A QEMU that hangs up is believed to be ending when it ends, and is told when it does not."""
    _source, destination = start()

    def hang_up(command: str) -> None:
        if not lives:
            destination.process.signal(9)  # type: ignore[arg-type]
        raise PromiseBroken("contract", f"hung up on {command}")

    monkeypatch.setattr("landfall.vm.LAST_BREATH", 0.3 if lives else 5.0)
    monkeypatch.setattr(destination.qmp, "execute", hang_up)
    told = []
    try:
        destination.expect_an_answer()
    except PromiseBroken as error:
        told.append(error.text)

    monkeypatch.undo()
    assert bool(told) == lives
