# SPDX-License-Identifier: Apache-2.0
"""From the evidence of a scenario to the steps of a script; no QEMU is started here."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from landfall.__main__ import main
from landfall.report import results
from landfall.report.run import Run
from landfall.repro.conversation import Step, ends_still, steps
from landfall.repro.player.guest import Guest, Shown
from landfall.repro.player.wire import is_whole
from landfall.repro.recorded import Recorded, read
from landfall.verdict import Observation, ScenarioResult, Verdict

PRIVATE = "/tmp/landfall-x"
MONITOR = "socket,fd=7,id=qmp"


class Evidence:
    """A scenario's evidence that is made up, a moment after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = 0.0
        self._id = 0

    def _write(self, name: str, one: dict[str, Any]) -> None:
        self.at += 1.0
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps({"at": self.at, **one}) + "\n")

    def did(self, did: str, who: str = "", **facts: object) -> None:
        """Something was done beside QMP."""
        self._write("deeds.jsonl", {"did": did, "who": who, **facts})

    def start(self, who: str, *words: str, origin: str = "", **facts: Any) -> None:
        """A QEMU was started."""
        told = {"folder": f"{PRIVATE}/{who[:3]}-1", "host": "", "build": "/qemu", "origin": origin}
        self.did("start", who, **{**told, "evidence": "/e", "is_kept": False, **facts})
        (self.folder / who).mkdir()
        argv = ["/qemu", "-kernel", str(self.folder / "guest"), "-chardev", MONITOR, *words]
        (self.folder / who / "command").write_text(" ".join(argv) + "\n")
        for name in ("qmp.jsonl", "statements.jsonl"):
            (self.folder / who / name).touch()

    def command(self, who: str, name: str, answer: object = None, **arguments: object) -> None:
        """A QMP command was answered."""
        self._id += 1
        asked = {"execute": name, "arguments": arguments, "id": self._id}
        self._write(f"{who}/qmp.jsonl", {"dir": "->", "message": asked})
        told = {"return": answer or {}, "id": self._id}
        self._write(f"{who}/qmp.jsonl", {"dir": "<-", "message": told})

    def event(self, who: str, name: str, **data: object) -> None:
        """An event came."""
        self._write(f"{who}/qmp.jsonl", {"dir": "<-", "message": {"event": name, "data": data}})

    def said(self, who: str, line: str) -> None:
        """The guest made a statement."""
        self._write(f"{who}/statements.jsonl", {"line": line})


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """The evidence of a scenario in which a guest was moved over TCP."""
    made = Evidence(tmp_path / "run" / "evidence" / "one")
    made.start("source")
    made.start("destination", origin="source")
    made.said("source", "@5 ready pages=ecc")
    made.said("source", "@6 beat tsc=1")
    made.command("destination", "migrate-incoming", uri="tcp:127.0.0.1:0")
    listens = {"socket-address": [{"host": "127.0.0.1", "port": "4711"}]}
    made.command("destination", "query-migrate", listens)
    made.command("source", "migrate", uri="tcp:127.0.0.1:4711")
    made.event("source", "MIGRATION", status="setup")
    made.event("source", "MIGRATION", status="active")
    made.event("source", "MIGRATION_PASS", **{"pass": 2})
    made.command("source", "migrate-set-parameters", **{"downtime-limit": 300})
    made.event("source", "STOP")
    made.event("destination", "RESUME")
    for status in ("running", "running"):
        made.command("destination", "query-status", {"status": status})
    for _ in range(2):  # asked again: the answer had not come
        made.did("say", "destination", line="1 verify")
    made.command("source", "quit")
    return made


def played(evidence: Evidence) -> list[Step]:
    """Return the steps that evidence becomes."""
    return list(steps(read(evidence.folder)))


def test_commands_come_in_their_order(evidence: Evidence) -> None:
    """What was done on either side is done again, each in its turn, and once."""
    done = [step for step in played(evidence) if step[0] != "await"]

    assert [step[:2] for step in done] == [
        ["start", "source"],
        ["start", "destination"],
        ["qmp", "destination"],
        ["address", "destination"],
        ["qmp", "source"],
        ["qmp", "source"],
        ["say", "destination"],
    ]
    assert done[3] == ["address", "destination", ["127.0.0.1:4711"]]


def test_step_waits_for_what_had_been_seen(evidence: Evidence) -> None:
    """The last status, the highest pass: what was only on the way there is not waited for."""
    made = played(evidence)
    at = next(n for n, step in enumerate(made) if "downtime-limit" in json.dumps(step))

    assert made[at - 2 : at] == [
        ["await", "source", {"event": "MIGRATION", "told": "active", "count": 1}],
        ["await", "source", {"event": "MIGRATION_PASS", "told": "2", "count": 1}],
    ]


def test_question_asked_again_is_a_wait(evidence: Evidence) -> None:
    """What was asked until the answer was right is waited for, and before a word to the guest."""
    made = played(evidence)

    assert [
        "await",
        "destination",
        {"asking": "query-status", "status": "running", "sent": 0},
    ] in (made[made.index(["say", "destination", "1 verify"]) - 3 :])
    assert ["await", "source", {"guest": "ready", "count": 1}] in made


def test_private_files_have_another_folder(evidence: Evidence) -> None:
    """A file of the run is one of the script's, and what it lies in is made before."""
    evidence.command("source", "migrate", uri=f"exec:cat > {PRIVATE}/state-1/state")

    made = played(evidence)

    assert ["folder-of", "@WORK@/state-1/state"] in made
    assert PRIVATE not in json.dumps(made)


@pytest.mark.parametrize(
    ("last", "still"), [(None, False), ("stop", True), ("cont", False)], ids=str
)
def test_end_of_a_guest_is_known(evidence: Evidence, last: str | None, *, still: bool) -> None:
    """A guest that was told to stop last is expected to stand still, any other to run."""
    if last:
        evidence.command("destination", last)

    assert ends_still(read(evidence.folder)) is still


# -- what the guest says ------------------------------------------------------


def line(text: str) -> bytes:
    """Return a statement as the guest sends it."""
    return f"{text} *{zlib.crc32(text.encode()):08x}\n".encode()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["@1 page cpu=0 addr=1000 found=1 expected=2"], "the guest says: @1 page"),
        (["@1 tsc cpu=0 now=1 before=2"], "the guest says: @1 tsc"),
        (["@1 verified id=2 pages=10 bad=1"], "the guest says: @1 verified"),
        (["@1 beat bad=0", "@1 beat bad=0"], "made statement 1 after 1"),
        (["@1 beat bad=0", "@3 beat bad=0"], "made statement 3 after 1"),
    ],
    ids=["page", "tsc", "verified", "twice", "missing"],
)
def test_what_a_guest_complains_of_shows_the_bug(said: list[str], why: str) -> None:
    """A complaint, a number twice, a number missing: each is enough."""
    guest = Guest("destination", None)

    with pytest.raises(Shown, match=why):
        guest.hear(b"".join(map(line, said)))


def test_statement_may_end_on_the_other_side() -> None:
    """What was begun on the source and ended on the destination is one statement."""
    source = Guest("source", None)
    destination = Guest("destination", source)
    whole = line("@8 beat bad=0")

    source.hear(line("@7 beat bad=0") + whole[:9])
    destination.hear(whole[9:] + line("@9 beat bad=0"))

    assert [number for number, _, _ in destination.said] == [8, 9]


def test_older_memory_shows_on_arrival() -> None:
    """A guest that goes on from an older statement than its source had heard is seen."""
    source = Guest("source", None)
    source.hear(line("@7 beat bad=0"))

    with pytest.raises(Shown, match="made statement 6 after 7"):
        Guest("destination", source).hear(line("@6 beat bad=0"))


def test_dead_timer_is_named() -> None:
    """A vCPU whose timer interrupts stand still is told, one that takes them is not."""
    guest = Guest("destination", None)
    for number, ticks in enumerate((1, 1, 2, 1)):
        guest.hear(line(f"@{number} beat cpu={number % 2} cticks={ticks} bad=0"))

    assert guest.still_timers(0) == ["1"]


@pytest.mark.parametrize(
    ("tail", "whole"),
    [
        (b"x\0\6\0\0\0\2{}", True),
        (b"x\0\6\0\0\0\3{}", False),
        (b"x\0\6\0\0\0\2{", False),
        (b"", False),
    ],
    ids=["whole", "too short", "broken off", "empty"],
)
def test_end_of_a_stream_is_known(tail: bytes, *, whole: bool) -> None:
    """A stream ends with its mark and a description as long as it says, and nowhere before."""
    assert is_whole(tail) is whole


# -- the command --------------------------------------------------------------


def a_run(tmp_path: Path, *ids: str) -> Path:
    """Write a run with these scenarios; return its folder."""
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    seen = (Observation("memory", "on the destination it's older: «é»"),)
    scenarios = tuple(
        ScenarioResult(
            one, "p", "A claim.", {}, Verdict.BROKEN, "r", seen, evidence="evidence/one"
        )
        for one in ids
    )
    facts = {"name": "7.2", "version": "7.2.22", "path": "/qemu"}
    run = Run(
        "r", 0.0, 1.0, (), "smoke", "0.1", "3", "tcg", "", len(ids), 1,
        builds={"source": facts, "destination": facts}, scenarios=scenarios,
    )  # fmt: skip
    results.write(run, folder)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return the exit status of `landfall repro`, and the line that it says."""
    status = main(["repro", *words])
    told = capsys.readouterr()
    return status, (told.err or told.out).strip()


def test_script_and_guest_are_written(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script has the command lines in plain sight, and the guest lies beside it."""
    (evidence.folder / "guest").write_bytes(b"guest")
    script = tmp_path / "out.sh"

    status, told = asked(
        capsys, "s::t[tcp]", "--results", str(a_run(tmp_path, "s::t[tcp]")), "--to", str(script)
    )

    assert (status, told) == (0, f"{script}: sh {script} ends 1 when the bug shows")
    assert (tmp_path / "out.guest").read_bytes() == b"guest"
    text = script.read_text()
    assert '            -kernel "$here"/out.guest \\\n' in text
    assert "# memory: on the destination it's older: «é»" in text
    program = text.partition("<<'PLAYER'\n")[2].partition("\nCONVERSATION\n")[2]
    compile(program.removesuffix("PLAYER\n"), "player", "exec")


@pytest.mark.parametrize(
    ("deed", "facts", "why"),
    [
        ("gate-holds", {}, "a wire of ours held the stream"),
        ("gate-corrupts", {}, "a wire of ours spoilt the stream"),
        ("wire", {"pace": 5}, "a wire of ours was paced"),
        ("gate", {"shut": True}, "kept the source waiting"),
    ],
)
def test_what_cannot_be_a_script_is_told(
    evidence: Evidence,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    deed: str,
    facts: dict[str, object],
    why: str,
) -> None:
    """A scenario that needs more than a script has is refused, and nothing left."""
    evidence.did(deed, "", via="tcp", address="a", target="b", **facts)
    run = a_run(tmp_path, "s::t[tcp]")

    status, told = asked(capsys, "s::t", "--results", str(run), "--to", str(tmp_path / "o.sh"))

    assert status == 4
    assert told.startswith("landfall: repro s::t[tcp]: cannot be a script: ")
    assert why in told
    assert not list(tmp_path.glob("o.*"))


@pytest.mark.parametrize(
    ("words", "facts", "why"),
    [
        ((), {"host": "amd"}, "the other was on host amd"),
        ((), {"is_kept": True}, "run it with --start fresh"),
        ((), {"build": "/other"}, "the other was started by /qemu"),
        (("-add-fd", "fd=9,set=1"), {}, "handed a descriptor of ours: fd=9"),
        ((f"{PRIVATE}/dis-1/disk.img",), {}, "given a file that is gone: "),
        (("pipe,path=other,id=x",), {}, "a device whose other end is ours"),
    ],
)
def test_machine_that_cannot_be_started_again_is_told(
    evidence: Evidence,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    facts: dict[str, Any],
    why: str,
) -> None:
    """A QEMU that was given what a script does not have is named, with that."""
    evidence.start("other", *words, **facts)

    status, told = asked(capsys, "s::t", "--results", str(a_run(tmp_path, "s::t[tcp]")))

    assert status == 4
    assert why in told


def test_socket_of_ours_is_told(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recovery by which a source was led to the scenario's own socket is no script's."""
    evidence.command("source", "migrate", uri="tcp:127.0.0.1:4712", resume=True)

    status, told = asked(capsys, "s::t", "--results", str(a_run(tmp_path, "s::t[tcp]")))

    assert status == 4
    assert "the source was led to a socket of ours, tcp:127.0.0.1:4712" in told


def test_descriptor_of_ours_is_told(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a scenario handed over open, besides one end to each side, no script has."""
    evidence.command("source", "getfd", fdname="silence")

    status, told = asked(capsys, "s::t", "--results", str(a_run(tmp_path, "s::t[tcp]")))

    assert status == 4
    assert 'handed a descriptor of ours: {"fdname": "silence"}' in told


def test_id_must_be_one_scenarios_alone(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where several match they are named, and where none does that is told."""
    assert evidence.folder.exists()
    run = a_run(tmp_path, "s::t[tcp]", "s::t[unix]")

    status, told = asked(capsys, "s::t", "--results", str(run))
    assert status == 4
    assert "2 scenarios match: s::t[tcp], s::t[unix]; say more" in told
    assert asked(capsys, "x::y", "--results", str(run))[0] == 4


def test_script_is_no_folder(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is named for the script is refused, and stays."""
    assert evidence.folder.exists()
    run = a_run(tmp_path, "s::t[tcp]")

    status, told = asked(capsys, "s::t", "--results", str(run), "--to", str(run))

    assert status == 4
    assert told == f"landfall: repro --to {run}: it is a folder; name a file for the script"
    assert run.is_dir()


def test_missing_evidence_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that recorded no deeds, or whose evidence is broken off, is told with the file."""
    run = a_run(tmp_path, "s::t[tcp]")

    status, told = asked(capsys, "s::t", "--results", str(run))

    assert status == 4
    assert "evidence/one/deeds.jsonl: not there" in told
    assert asked(capsys, "s::t", "--results", str(tmp_path))[0] == 4


def test_shortest_of_a_sequence_is_read(evidence: Evidence) -> None:
    """Of a sequence that was made shorter, the shortest that failed is what is played."""
    shorter = Evidence(evidence.folder / "shrinking-1")
    shorter.start("source")
    (shorter.folder / "sequence.txt").write_text("migrate\n")
    (evidence.folder / "shortest.txt").write_text("migrate\n")

    found: Recorded = read(evidence.folder)

    assert found.folder == shorter.folder
