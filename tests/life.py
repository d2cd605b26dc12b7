# SPDX-License-Identifier: Apache-2.0
"""A healthy scenario's history, made up, for tests to damage."""

from __future__ import annotations

import zlib
from dataclasses import replace

from landfall.history import Fate, History, Journey, Side
from landfall.line import Heard
from landfall.qmp import Event
from landfall.statement import Statement, parse

HZ = 1_000_000_000
BEAT = 0.02


def statement(text: str) -> Statement:
    """Return the statement of a line without its checksum."""
    return parse(f"{text} *{zlib.crc32(text.encode()):08x}".encode())


def beat(seq: int, at: float, guest_time: float, rtc: str = "", **changes: int) -> Heard:
    """Return a healthy heartbeat; the guest's clock may differ from the host's."""
    tsc = round(guest_time * HZ)
    ticks = round(guest_time * 100)
    values = {
        "tsc": tsc, "ticks": ticks, "cpu": seq % 2, "ctsc": tsc, "cticks": ticks,
        "gen": 2, "cur": seq, "wrote": 100 + seq, "bad": 0, "regs": seq * 3, "warps": seq * 2,
    } | changes  # fmt: skip
    pairs = " ".join(f"{key}={value:x}" for key, value in values.items())
    return Heard(statement(f"@{seq:x} beat {pairs} rtc={rtc or f'1200{int(at):02}'}"), at)


def beats(first: int, count: int, at: float, guest_time: float) -> tuple[Heard, ...]:
    """Return healthy heartbeats, one every `BEAT` seconds."""
    return tuple(beat(first + n, at + n * BEAT, guest_time + n * BEAT) for n in range(count))


def verified(seq: int, at: float, bad: int = 0) -> Heard:
    """Return a guest's answer to `verify`."""
    return Heard(statement(f"@{seq:x} verified id=1 pages=1f47 bad={bad:x} gen=2"), at)


def event(name: str, at: float, **data: object) -> Event:
    """Return a QMP event."""
    return Event(name, data, at, at)


def statuses(at: float, *names: str) -> tuple[Event, ...]:
    """Return MIGRATION events, a millisecond apart."""
    return tuple(event("MIGRATION", at + n / 1000, status=name) for n, name in enumerate(names))


def moved() -> History:
    """Return the history of a guest that was moved at 1.0 s, and stood still for 0.1 s."""
    source = Side(
        name="source",
        heard=beats(1, 40, at=0.2, guest_time=0.2),
        events=(
            *statuses(0.5, "setup", "active"),
            event("STOP", 1.0),
            *statuses(1.05, "completed"),
        ),
        status="postmigrate",
        exit_status=0,
        ended_by_us="quit",
    )
    destination = Side(
        name="destination",
        origin="source",
        heard=(*beats(41, 10, at=1.12, guest_time=1.0), verified(51, 1.4)),
        events=(
            *statuses(0.4, "setup", "active"),
            event("RESUME", 1.1),
            *statuses(1.101, "completed"),
        ),
        status="running",
        exit_status=0,
        ended_by_us="quit",
    )
    journey = Journey("source", "destination", "tcp", True, True, 0.45, 1.11, "completed")  # noqa: FBT003
    return History("tcg", 2, (source, destination), (journey,))


def with_destination(history: History, **changes: object) -> History:
    """Return a history whose last side is changed."""
    *before, last = history.sides
    return replace(history, sides=(*before, replace(last, **changes)))  # type: ignore[arg-type]


def with_source(history: History, **changes: object) -> History:
    """Return a history whose first side is changed."""
    first, *after = history.sides
    return replace(history, sides=(replace(first, **changes), *after))  # type: ignore[arg-type]


def a_failed_attempt(*, both_run: bool, fate: Fate = Fate.TOLD) -> History:
    """Return a history whose source resumed at 1.2 s; the destination may run a copy as well."""
    history = moved()
    source, destination = history.sides
    here = replace(
        source,
        heard=(*source.heard, *beats(41, 10, at=1.22, guest_time=1.0), verified(51, 1.5)),
        events=(
            *statuses(0.5, "setup", "active"),
            event("STOP", 1.0),
            *statuses(1.05, "failed"),
            event("RESUME", 1.2),
        ),
        status="running",
    )
    there = replace(
        destination,
        heard=destination.heard if both_run else (),
        events=destination.events if both_run else destination.events[:2],
        status="running" if both_run else "",
    )
    journey = replace(history.journeys[0], status="failed", fate=fate)
    return replace(history, sides=(here, there), journeys=(journey,))
