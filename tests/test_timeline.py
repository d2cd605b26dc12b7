# SPDX-License-Identifier: Apache-2.0
"""A scenario's timeline has what both sides did on one clock, and the page's is a thinned one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from landfall import timeline
from landfall.announce import Frame, packet
from landfall.history import Card, Fate, History, Journey, Side
from landfall.line import Heard
from landfall.network.facts import Network, Sighting, Wired
from landfall.qmp import Event
from landfall.report.embedded import Words
from landfall.report.timelines import drawn, room_for
from landfall.statement import Statement
from tests.command import qualify

MAC = "52:54:00:12:34:56"


def beats(*times: float) -> tuple[Heard, ...]:
    """Heartbeats at these times."""
    return tuple(
        Heard(Statement(seq, "beat", {}, {}, ""), at) for seq, at in enumerate(times, start=1)
    )


def event(name: str, at: float, **data: Any) -> Event:
    """One event of QMP."""
    return Event(name, data, at, at)


def moved(**changed: Any) -> History:
    """A guest that was moved: the attempt begins at 100 s, and nobody hears it for 60 ms."""
    samples = tuple(
        {"total-time": n, "ram": {"transferred": n * 1000, "remaining": 9, "mbps": 1.5}}
        for n in range(1, 60)
    )
    journey = Journey(
        source="source",
        destination="destination",
        transport="tcp",
        two_way=True,
        was_live=True,
        started=100.0,
        ended=100.2,
        status="completed",
        samples=samples,
    )
    frames = (Frame(packet(MAC), 100.16, 0.0), Frame(bytes(60), 100.17, 0.0))
    sides = (
        Side(
            "source",
            heard=beats(*(99.9 + n / 50 for n in range(10))),
            events=(event("MIGRATION", 100.0, status="setup"), event("STOP", 100.09)),
            ended_by_us="quit",
        ),
        Side(
            "destination",
            origin="source",
            heard=beats(100.14, 100.16),
            events=(event("RESUME", 100.12), event("RTC_CHANGE", 100.13, offset=1)),
            cards=(Card("nic0", MAC, frames),),
        ),
    )
    return History(
        **{"accel": "tcg", "vcpus": 1, "sides": sides, "journeys": (journey,), **changed}
    )


def test_both_sides_stand_on_one_clock() -> None:
    """Times are seconds after the attempt began, of either side; what is noise is left out."""
    told = timeline.recorded(moved())

    source, destination = told["sides"]
    assert told["zero"] == 100.0
    assert source["beats"][0] == -0.1
    assert source["events"][1] == {"at": 0.09, "what": "STOP"}
    assert [each["what"] for each in destination["events"]] == ["RESUME"]
    assert destination["packets"] == [
        {"at": 0.16, "card": "nic0", "announces": True},
        {"at": 0.17, "card": "nic0", "announces": False},
    ]
    assert told["blackouts"] == [[0.08, 0.14]]


def test_frames_on_a_bridge_are_on_the_same_clock() -> None:
    """What a guest sent is told where it entered the bridge, and what others sent is not."""
    mine, other = packet(MAC), packet("52:54:00:00:00:01")
    frames = (
        *(Sighting("there", 1000.15 + n / 1000, mine[:12] + bytes(48)) for n in range(1500)),
        Sighting("there", 1000.15, other),
        Sighting("here", 1000.15, mine),
        Sighting("there", 1000.1512, mine),
    )
    side = Side(
        "destination",
        events=(Event("RESUME", {}, 100.2, 1000.2), Event("STOP", {}, 100.5, 1000.4)),
        left=(Wired("there", MAC, Network(frames)),),
    )

    told = timeline.recorded(moved(sides=(*moved().sides[:1], side)))["sides"][1]["packets"]

    assert told[0] == {"at": 0.15, "card": "bridge", "announces": False}
    assert [each["at"] for each in told if each["announces"]] == [0.1512]
    assert 300 < len(told) < 600


def test_query_migrate_is_told_by_when_it_was_asked() -> None:
    """A sample stands where the attempt's own clock was."""
    journey = timeline.recorded(moved())["journeys"][0]

    assert journey["samples"][4] == {
        "at": 0.005,
        "transferred": 5000,
        "remaining": 9,
        "mbps": 1.5,
    }
    assert (journey["began"], journey["ended"], journey["fate"]) == (0.0, 0.2, str(Fate.TOLD))


def test_what_one_fault_does_by_two_means_is_one_moment() -> None:
    """A fault is told once, by its own name."""
    moments = [(100.05, "destination-killed, first-pass"), (100.051, "destination killed")]

    told = timeline.recorded(moved(), [*moments, (100.1, "cancel")])["moments"]

    assert told == [
        {"at": 0.05, "what": "destination-killed, first-pass"},
        {"at": 0.1, "what": "cancel"},
    ]


@pytest.mark.parametrize(
    "history", [History("tcg", 1), moved(journeys=()), moved(sides=(Side("source"),), journeys=())]
)
def test_nothing_is_needed(history: History) -> None:
    """A history without attempts, words or sides has a timeline as well."""
    assert timeline.recorded(history)["journeys"] == []


def drawn_from(folder: Path, room: int, history: History | None = None) -> list[Any] | None:
    """Write a timeline and return the page's form of it."""
    timeline.write(history or moved(), [(100.05, "cancel")], folder)
    return drawn(folder, Words(), room)


def test_page_has_all_where_there_is_room(tmp_path: Path) -> None:
    """Nothing is left out of a short timeline, and heartbeats without a gap are one stretch."""
    words = Words()
    timeline.write(moved(), [], tmp_path)

    told = drawn(tmp_path, words, 4000)

    assert told is not None
    sides, journeys, blackouts, _, left_out = told
    assert left_out == 0
    assert sides[0][1] == [-1000, 800, 10]
    assert words.all[sides[0][2][1]] == "setup"
    assert journeys[0][:4] == [0, 1, 0, 2000]
    assert blackouts == [[800, 1400]]


def test_gap_in_heartbeats_is_seen(tmp_path: Path) -> None:
    """A guest that fell silent has two stretches."""
    heard = beats(*(100 + n / 50 for n in range(5)), *(101 + n / 50 for n in range(5)))
    history = moved(sides=(Side("source", heard=heard),), journeys=())

    told = drawn_from(tmp_path, 4000, history)

    assert told is not None
    assert told[0][0][1] == [0, 800, 5, 10000, 10800, 5]


@pytest.mark.parametrize("room", [600, 450, 350])
def test_page_has_as_much_as_fits_and_says_so(tmp_path: Path, room: int) -> None:
    """What does not fit is left out, evenly, and counted."""
    told = drawn_from(tmp_path, room)

    assert told is not None
    assert len(json.dumps(told, separators=(",", ":"))) <= room
    assert told[4] > 0
    curve = told[1][0][7]
    assert curve[0] == 10
    assert curve[-4] == 590


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sides": 5}', "\udc80"])
def test_damaged_timeline_is_none(tmp_path: Path, text: str) -> None:
    """A file that is no timeline leaves a scenario without one, and costs nothing else."""
    (tmp_path / timeline.FILE_NAME).write_text(text, errors="surrogateescape")

    assert drawn(tmp_path, Words(), 4000) is None


def test_all_timelines_together_have_a_bound() -> None:
    """The more scenarios, the less room has each; ten scenarios have no more than they need."""
    assert room_for(10) == room_for(1)
    assert room_for(5000) * 5000 <= 10_000_000


@pytest.mark.qemu
def test_real_scenarios_leave_timelines() -> None:
    """A fault of a real run stands where the attempt failed, and both sides were heard."""
    with qualify("-k", "continues_on_the_source and destination-killed-first-pass") as under_way:
        ended = under_way.ended()
        evidence = under_way.results / ended.scenarios[0]["evidence"]
        told = json.loads((evidence / timeline.FILE_NAME).read_text())

    assert ended.status == 0, ended.output
    assert [each["what"] for each in told["moments"]] == ["destination-killed, first-pass"]
    failed, completed = told["journeys"]
    assert failed["began"] < told["moments"][0]["at"] < failed["ended"]
    assert (failed["status"], completed["status"]) == ("failed", "completed")
    assert len(failed["samples"]) > 1
    dark, light = told["blackouts"][0]
    assert dark < light
    assert completed["began"] < light
    heard = {side["name"]: len(side["beats"]) for side in told["sides"]}
    assert heard["destination"] == 0
    assert min(heard["source"], heard["destination-2"]) > 1
