# SPDX-License-Identifier: Apache-2.0
"""The wire oracle keeps what was announced in form and time, and convicts the rest, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from landfall.announce import DEFAULTS, Announce, Asked, Frame, packet
from landfall.history import Card, Fate, History
from landfall.oracles import wire
from landfall.verdict import Finding, Verdict
from tests import life

MAC, OTHER = "52:54:00:12:34:50", "52:54:00:12:34:51"
ARRIVED = 1.1
"""When life.moved()'s guest begins to run on the destination."""
QUITTED = 3.0
ON_TIME = tuple(ARRIVED + due for due in DEFAULTS.due)


def card(times: Sequence[float], content: bytes = packet(MAC), **changes: object) -> Card:
    """A NIC that sent `content` at each of some times, and filter-dump saw it."""
    frames = tuple(Frame(content, at, at) for at in times)
    whole = Card("nic0", MAC, frames, (content,) * len(times), heard_until=QUITTED)
    return replace(whole, **changes)  # type: ignore[arg-type]


def moved(there: Card, here: Card | None = None, announce: Announce = DEFAULTS) -> History:
    """A guest that was moved without harm, and what its NIC sent there and here."""
    healthy = life.with_source(life.moved(), cards=(here or card(()),))
    return life.with_destination(healthy, cards=(there,), announce=announce)


def told(finding: Finding) -> str:
    """Everything that a finding says."""
    return " | ".join(observation.text for observation in finding.observations)


def convicted(history: History) -> str:
    """What a history is convicted of."""
    finding = wire.judge(history)
    assert finding.verdict is Verdict.BROKEN
    return told(finding)


def test_announcements_in_time_are_kept() -> None:
    """Five packets with the delays that QEMU's defaults ask for keep the promise and earn it."""
    finding = wire.judge(moved(card(ON_TIME)))

    assert finding.verdict is Verdict.KEPT, told(finding)
    assert finding.earned == {"nics_heard": 2, "announcements": 5, "dumped": 5}


def test_machine_without_a_nic_is_not_judged() -> None:
    """A machine without a network card has nothing to announce: that is not blindness."""
    finding = wire.judge(life.moved())

    assert (finding.verdict, finding.earned) == (Verdict.KEPT, {})


def test_dump_that_saw_nothing_is_blind() -> None:
    """Packets that filter-dump did not see on their way leave the scenario undecided."""
    finding = wire.judge(moved(card(ON_TIME, dumped=())))

    assert finding.verdict is Verdict.UNABLE
    assert "the wire oracle saw nothing: no dumped" in finding.reason


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((), "announced the guest 0 times in the time for 5 of 5 announcements"),
        (ON_TIME[:-1], "announced the guest 4 times in the time for 5 of 5 announcements"),
        (ON_TIME[1:], "announced the guest 4 times in the time for 5 of 5 announcements"),
        ((*ON_TIME, 2.4), "announced the guest 6 times where 5 were asked for"),
        ((*ON_TIME[:3], 1.32, 1.9), "sent announcement 4 228 ms too early"),
        ((*ON_TIME[:4], 2.4), "sent announcement 5 359 ms too late"),
        ((0.9, *ON_TIME[1:]), "let announcement 1 out while the guest did not run"),
    ],
    ids=["none", "last lost", "first lost", "one too many", "early", "late", "before the guest"],
)
def test_wrong_number_or_time_convicts(times: Sequence[float], words: str) -> None:
    """Packets that are missing, too many, too early or too late break the promise."""
    assert words in convicted(moved(card(times)))


def test_lost_packet_is_told_apart_from_one_never_sent() -> None:
    """What filter-dump saw tells whether a missing packet was lost behind it."""
    said = convicted(moved(card(ON_TIME[:4], dumped=(packet(MAC),) * 5)))

    assert "filter-dump saw 5 in all" in said


def test_wrong_mac_convicts() -> None:
    """The MAC that must be announced is the one the guest has had from the start."""
    said = convicted(moved(card(ON_TIME, packet(OTHER), mac=OTHER)))

    assert f"nic0 announced {OTHER} in 60 bytes; its guest's MAC is {MAC}" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packet(MAC)[:50], "in 50 bytes; its guest's MAC is 52:54:00:12:34:50: 60 bytes were"),
        (packet(MAC)[:21] + b"\x04" + packet(MAC)[22:], "byte 21 is 0x04 and not 0x03"),
    ],
    ids=["cut", "answer"],
)
def test_wrong_form_convicts(content: bytes, words: str) -> None:
    """A packet that is cut short, or is not the request it should be, breaks the promise."""
    assert words in convicted(moved(card(ON_TIME, content)))


def test_other_traffic_is_no_announcement() -> None:
    """Frames that are no reverse ARP are the guest's own."""
    arp = packet(MAC)[:12] + b"\x08\x06" + packet(MAC)[14:]
    whole = card(ON_TIME)
    busy = replace(whole, frames=(Frame(arp, 1.2, 1.2), *whole.frames))

    assert wire.judge(moved(busy)).verdict is Verdict.KEPT


@pytest.mark.parametrize("at", [0.7, 1.3], ids=["before", "after"])
def test_source_that_announces_convicts(at: float) -> None:
    """A packet from the source, before the guest left or afterwards, breaks the promise."""
    said = convicted(moved(card(ON_TIME), here=card([at])))

    assert f"the source announced the guest by nic0 ({MAC}) although no guest arrived" in said


def test_packet_that_waits_at_the_source_convicts() -> None:
    """A packet that the source would let out as soon as it runs again breaks the promise too."""
    waiting = card((), dumped=(packet(MAC),))

    assert "0 packets left, 1 were sent on their way" in convicted(moved(card(ON_TIME), waiting))


def test_destination_that_failed_and_announces_convicts() -> None:
    """A destination that could not load the guest must not announce it."""
    lost = moved(card(ON_TIME))
    failed = replace(lost.journeys[0], status="failed")

    said = convicted(replace(lost, journeys=(failed,)))

    assert "the destination announced the guest by nic0" in said
    assert "although the attempt over tcp failed: 5 packets left" in said


def test_guest_that_is_on_both_sides_may_be_announced() -> None:
    """A destination that has the guest although the source says «failed» may announce it."""
    history = moved(card(ON_TIME))
    both = replace(history.journeys[0], status="failed", fate=Fate.BOTH)

    assert wire.judge(replace(history, journeys=(both,))).verdict is Verdict.KEPT


def test_silent_card_beside_another_convicts() -> None:
    """Each of two cards must announce itself: one series does not do for both."""
    history = moved(card(ON_TIME))
    silent = card((), name="nic1", mac=OTHER)
    said = convicted(life.with_destination(history, cards=(card(ON_TIME), silent)))

    assert "on the destination nic1 announced the guest 0 times" in said
    assert "nic0" not in said


def paused(times: Sequence[float]) -> History:
    """A guest that arrived stopped at 1.1 s and was let go at 2.0 s."""
    events = (*life.statuses(0.4, "active"), *life.statuses(ARRIVED, "completed"))
    resumed = (*events, life.event("RESUME", 2.0))
    return life.with_destination(moved(card(times)), events=resumed)


def test_stopped_guest_is_announced_in_one_burst() -> None:
    """What was due while the guest was stopped leaves when it continues, all at once."""
    assert wire.judge(paused([2.001] * 5)).verdict is Verdict.KEPT


def test_stopped_guest_that_is_announced_convicts() -> None:
    """A packet that leaves while the guest is stopped breaks the promise."""
    said = convicted(paused([1.11, *[2.001] * 4]))

    assert "let announcement 1 out while the guest did not run" in said


def test_guest_that_went_on_need_not_finish() -> None:
    """What was not yet due when the guest left again, or was shut down, is not missed."""
    history = moved(card(ON_TIME[:3]))
    events = (*history.sides[1].events, life.event("STOP", 1.4))

    assert wire.judge(life.with_destination(history, events=events)).verdict is Verdict.KEPT


def test_busy_host_is_given_more_time() -> None:
    """How late a packet may be depends on how evenly the guest's heart beat there."""
    late = moved(card([at + 0.3 for at in ON_TIME]))
    uneven = life.with_destination(
        late, heard=(*late.sides[1].heard, *life.beats(52, 3, at=1.7, guest_time=1.5))
    )

    assert "too late" in convicted(late)
    assert wire.judge(uneven).verdict is Verdict.KEPT


def test_announcement_on_demand_is_judged_as_well() -> None:
    """announce-self is a reason to announce, with a number and times of its own."""
    asked = Asked(Announce(rounds=2, initial=20), 0.5, 0.51)
    good = card([0.505, 0.526], asked=(asked,))
    short = card([0.505], asked=(asked,))

    assert wire.judge(moved(card(ON_TIME), here=good)).verdict is Verdict.KEPT
    said = convicted(moved(card(ON_TIME), here=short))
    assert "on the source nic0 announced the guest 1 times in the time for 2 of 2" in said


def test_no_rounds_earn_nothing_and_are_kept() -> None:
    """Where no announcement was asked for, hearing none is what earns the verdict."""
    none = Announce(rounds=0)

    assert wire.judge(moved(card(()), announce=none)).verdict is Verdict.KEPT
    said = convicted(moved(card([ARRIVED]), announce=none))
    assert "announced the guest 1 times where 0 were asked for" in said


def test_unstamped_frames_are_given_the_reader_s_time() -> None:
    """A stream's frames have no stamps: one that was read late makes the next gap look short."""
    read_late = [*ON_TIME[:3], ON_TIME[3] + 0.03, ON_TIME[4]]
    stamped = card(read_late)
    unstamped = tuple(replace(frame, exact=False) for frame in stamped.frames)

    assert wire.judge(moved(replace(stamped, frames=unstamped))).verdict is Verdict.KEPT
    assert "sent announcement 5 28 ms too early" in convicted(moved(stamped))
