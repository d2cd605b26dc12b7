# SPDX-License-Identifier: Apache-2.0
"""The oracle of the bridge, on histories made up and then damaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

import pytest

from landfall.announce import Announce, packet
from landfall.history import History
from landfall.line import Heard
from landfall.network.facts import Conversation, Move, Network, Sighting, Wired
from landfall.oracles import bridge, kernel
from landfall.verdict import Verdict
from tests import life
from tests.life import moved, statement, with_destination, with_source

MAC, OTHER = "52:54:00:12:34:50", "52:54:00:aa:aa:aa"
BOOT = "@0 boot guest=linux bits=40 cpus=2 pages=800 features=linux,log,net tick=989680"
STOPPED, RAN = 1.0, 1.1
"""When life.moved()'s guest stands still, and when it runs on the destination."""
SAID = 5
LINES = Conversation(SAID, tuple(range(SAID)), was_settled=True)
OWN = bytes.fromhex(MAC.replace(":", ""))
HERE = b"\x0a\x12\x34\x50"
ARP = b"\xff" * 6 + OWN + b"\x08\x06" + bytes(14) + HERE + bytes(6) + HERE
TO_ALL = b"\x33\x33" + bytes(4)
ADVERTISEMENT = TO_ALL + OWN + b"\x86\xdd" + bytes(6) + b"\x3a" + bytes(33) + b"\x88" + bytes(20)


def udp(number: int, *, back: bool) -> bytes:
    """A datagram to the guest, or its echo."""
    ports = b"\x00\x07\x99\x99" if back else b"\x99\x99\x00\x07"
    head = b"\x45" + bytes(8) + b"\x11" + bytes(10)
    sender = OWN if back else bytes.fromhex(OTHER.replace(":", ""))
    return bytes(6) + sender + b"\x08\x00" + head + ports + bytes(4) + b"landfall%08d" % number


def echoed(number: int, sent: float, *by: str) -> Iterable[Sighting]:
    """A datagram and its echoes."""
    yield Sighting("third", sent, udp(number, back=False))
    yield from (Sighting(port, sent + 0.002, udp(number, back=True)) for port in by)


SOUND = (
    *echoed(0, 0.5, "source"),
    *echoed(1, 0.9, "source"),
    *echoed(2, 1.05),
    Sighting("destination", RAN + 0.001, packet(MAC)),
    Sighting("destination", RAN + 0.002, ARP),
    *echoed(3, 1.2, "destination"),
    *echoed(4, 3.2, "destination"),
)
MOVES = (Move(MAC, "source", 0.5), Move(MAC, "destination", RAN + 0.02))


def network(
    *frames: Sighting, moves: tuple[Move, ...] = MOVES, talk: Conversation | None = LINES
) -> History:
    """The history of a guest that was moved, and what the bridge between saw of it."""
    seen = Network(frames or SOUND, moves, talk)
    source, destination = (
        (Wired(name, MAC, seen, guest_announces=True),) for name in ("source", "destination")
    )
    boot = Heard(statement(BOOT), 0.1)
    heard = moved().sides[0].heard
    history = with_source(moved(), left=source, heard=(boot, *heard))
    return with_destination(history, left=destination)


def said(history: History) -> str:
    """What the oracle says against a history."""
    finding = bridge.judge(history)
    assert finding.verdict is Verdict.BROKEN
    return " | ".join(observation.text for observation in finding.observations)


def without(*unwanted: bytes) -> list[Sighting]:
    """What was seen without some frames that the destination's port let in."""
    return [f for f in SOUND if not (f.port == "destination" and f.content in unwanted)]


def test_guest_that_is_followed_is_kept() -> None:
    """A guest that is heard where it runs, and answers everything, is kept."""
    finding = bridge.judge(network())

    assert finding.verdict is Verdict.KEPT
    assert finding.earned == {"frames_of_the_guest": 6, "lines_echoed": SAID}


def test_machine_without_a_bridge_does_not_apply() -> None:
    """Where no card is on a bridge there is nothing to judge."""
    assert bridge.judge(moved()).reason == "the machine has no card on a bridge"


def test_silence_is_not_earned() -> None:
    """A capture that has lost frames, or a guest that said nothing, leaves it undecided."""
    lossy = network()
    wired = [
        replace(w, network=replace(w.network, dropped=3)) for w in lossy.sides[0].left_of(Wired)
    ]

    assert bridge.judge(with_source(lossy, left=tuple(wired))).verdict is Verdict.UNABLE


def test_guest_that_is_not_announced_is_seen() -> None:
    """A bridge that hears nothing from where the guest runs is told of."""
    frames = [frame for frame in SOUND if frame.port != "destination"]

    text = said(network(*frames, moves=MOVES[:1], talk=None))

    assert "the guest runs on the destination and nothing of it entered the bridge there" in text
    assert f"the entry for {MAC} still leads to the source" in text


def test_guest_that_nobody_was_to_announce_is_kept() -> None:
    """Where no announcement was asked for, and the guest is silent, none is missed."""
    frames = [frame for frame in SOUND if frame.port != "destination"]
    history = network(*frames, moves=MOVES[:1], talk=None)

    unasked = with_destination(history, announce=Announce(rounds=0))

    assert bridge.judge(unasked).verdict is Verdict.KEPT


def test_bridge_that_does_not_learn_is_seen() -> None:
    """A bridge that hears the guest and sends its frames elsewhere is told of."""
    assert "frames of the guest's entered the bridge from the destination, and the entry" in said(
        network(moves=MOVES[:1])
    )


def test_late_announcement_is_seen() -> None:
    """A bridge that learns late is told of: the first announcement leaves at once."""
    frames = without(packet(MAC), ARP, SOUND[-3].content)
    late = [Sighting("destination", RAN + 0.9, packet(MAC)), Sighting("destination", 2.1, ARP)]

    assert "learned only 900 ms after the guest ran" in said(network(*frames[:4], *late))


@pytest.mark.parametrize("at", [0.8, 1.05], ids=["while the source ran", "while nobody ran"])
def test_guest_announced_too_early_is_seen(at: float) -> None:
    """A destination that speaks for a guest it has not yet is told of."""
    text = said(network(*SOUND, Sighting("destination", at, packet(MAC))))

    assert f"frames with the guest's MAC {MAC} entered the bridge from the destination" in text
    assert "(the first: RARP)" in text


def test_source_that_speaks_on_is_seen() -> None:
    """A source that speaks for a guest that has left it is told of."""
    assert "entered the bridge from the source, where the guest did not run" in said(
        network(*SOUND, Sighting("source", 1.3, packet(MAC)))
    )


def test_network_that_leaves_a_guest_that_stays_is_seen() -> None:
    """A bridge that follows a guest which did not leave is told of."""
    failed = life.a_failed_attempt(both_run=False)
    frames = (*SOUND[:4], Sighting("destination", 1.05, packet(MAC)))
    seen = Network(frames, MOVES)
    wired = [(Wired(side.name, MAC, seen),) for side in failed.sides]
    history = with_destination(with_source(failed, left=wired[0]), left=wired[1])

    text = said(history)

    assert "came to lead to the destination although the attempt over tcp failed" in text


def test_guest_that_does_not_announce_itself_is_seen() -> None:
    """A guest whose driver was to announce it, and did not, is told of."""
    assert "never announced itself" in said(network(*without(ARP)))


def test_datagram_answered_twice_is_seen() -> None:
    """A datagram that both sides answer is told of: there are two of the guest."""
    twice = Sighting("destination", RAN + 0.01, udp(1, back=True))

    assert "answered more than once: number 1 by the source and the destination" in said(
        network(*SOUND, twice)
    )


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (replace(LINES, echoed=(0, 1, 2)), "5 lines were sent and 3 came back"),
        (replace(LINES, echoed=(0, 1, 1, 2, 3, 4)), "line 1 came back where 2 was due"),
        (replace(LINES, echoed=(0, 1, 3, 4)), "line 3 came back where 2 was due"),
        (
            replace(LINES, echoed=(0,), ended="ECONNRESET x"),
            "ended after 1 of 5 lines: ECONNRESET",
        ),
    ],
    ids=["unanswered", "twice", "lost", "reset"],
)
def test_connection_that_suffers_is_seen(talk: Conversation, words: str) -> None:
    """A line that does not come back, or not once and in order, is told of, and so is a reset."""
    assert words in said(network(talk=talk))


def test_guest_that_hears_its_own_word_may_complain() -> None:
    """A kernel that is handed its own advertisement takes it for another's; nobody else's."""
    words = f"ICMPv6: NA: {MAC} advertised our address fe80::5054:ff:fe12:3450 on eth0!"
    logged = Heard(statement(f"@33 kernel level=4 at=5f5e100 text={quote(words)}"), 1.42)
    mark = Heard(statement("@34 log id=2"), 1.45)

    def judged(*frames: Sighting) -> Verdict:
        history = network(*frames)
        heard = history.sides[-1].heard
        return kernel.judge(with_destination(history, heard=(*heard, logged, mark))).verdict

    assert judged(*SOUND) is Verdict.BROKEN
    assert judged(*SOUND, Sighting("source", 0.6, ADVERTISEMENT)) is Verdict.KEPT
