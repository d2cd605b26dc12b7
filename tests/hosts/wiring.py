# SPDX-License-Identifier: Apache-2.0
"""The places that two hosts for tests are in, their links, and how these are broken.

In network namespaces each host has two links: ssh comes by one, migration streams by the other,
so that either can be broken while the other stands. Between a host and the others is a
switch of its own, which loses in silence what it is told to lose, or slows it down: neither end
sees anything but that nothing comes.
"""

from __future__ import annotations

import contextlib
import random
import subprocess

__all__ = ["LINKS", "NAMES", "Namespaces", "Net", "run"]

NAMES = ("alpha", "beta")
LINKS = ("ssh", "migration")
ALL = "all"
"""Stands for every link of a host."""
LOSE = ("pfifo", "limit", "0")
"""A queue that nothing finds room in."""


class Net:
    """The places that the hosts are in: here, names for the root namespace's own."""

    verbs: tuple[str, ...] = ()
    """What can be done to a migration link."""

    def __init__(self) -> None:
        self.unlink = ":"
        self.addresses = dict.fromkeys(NAMES, "127.0.0.1")
        """Where ssh reaches a host."""
        self.streams = self.addresses
        """Where migration streams reach it."""
        self.streams6 = dict.fromkeys(NAMES, "::1")
        """The same by IPv6."""

    def make(self) -> None:
        """Nothing is to be made."""

    def inside(self, _name: str) -> list[str]:
        """What a command is started by, that it is in a host's place."""
        return []

    def do(self, _verb: str, _name: str, _link: str = ALL, *_more: str) -> None:
        """Do something to a host's link."""
        raise SystemExit("the loopback interface has no cable")


class Namespaces(Net):
    """A network namespace for each, and a bridge in the root namespace for each kind of link."""

    verbs = ("down", "drop-to", "drop-from", "throttle")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        third = random.SystemRandom().randrange(1, 255)
        self.bases = {link: f"10.{213 + n}.{third}" for n, link in enumerate(LINKS)}
        self.addresses, self.streams = (
            {name: f"{self.bases[link]}.{n}" for n, name in enumerate(NAMES, 2)} for link in LINKS
        )
        self.base6 = f"fd{tag[:2]}:{tag[2:6]}:"
        self.streams6 = {name: f"{self.base6}:{n}" for n, name in enumerate(NAMES, 2)}
        devices = [self.trunk(link) for link in LINKS]
        for cable in self.cables:
            # The cable too: a namespace lasts as long as a connection that is being given up.
            devices += [cable, f"{cable}u", f"{cable}b"]
        spaces = [f"ip netns del {self.space(name)}" for name in NAMES]
        self.unlink = "\n".join([*spaces, *(f"ip link del {one}" for one in devices)])

    @property
    def cables(self) -> list[str]:
        """Every host's end, here, of every link."""
        return [self.cable(name, link) for name in NAMES for link in LINKS]

    def space(self, name: str) -> str:
        """Name a host's namespace."""
        return f"lf{self.tag}-{name}"

    def trunk(self, link: str) -> str:
        """Name the bridge that all links of a kind meet at, and we."""
        return f"lf{self.tag}{link[0]}"

    def cable(self, name: str, link: str) -> str:
        """Name our end of a link; with `b`, its switch; with `u`, that one's other port."""
        return f"lf{self.tag}{name[0]}{link[0]}"

    def make(self) -> None:
        """Make all of it."""
        for link in LINKS:
            ip("link", "add", self.trunk(link), "type", "bridge")
            ip("addr", "add", f"{self.bases[link]}.1/24", "dev", self.trunk(link))
            ip("link", "set", self.trunk(link), "up")
        ip("-6", "addr", "add", f"{self.base6}:1/64", "dev", self.trunk(LINKS[1]), "nodad")
        for name in NAMES:
            ip("netns", "add", self.space(name))
            ip("-n", self.space(name), "link", "set", "lo", "up")
            for number, link in enumerate(LINKS):
                self._lay(name, link, f"eth{number}")

    def _lay(self, name: str, link: str, inside: str) -> None:
        """Lay a cable from a host to a switch of its own, and one from there to the others."""
        space, cable, base = self.space(name), self.cable(name, link), self.bases[link]
        number = NAMES.index(name) + 2
        ip("link", "add", f"{cable}b", "type", "bridge")
        ip("link", "add", cable, "type", "veth", "peer", "name", inside, "netns", space)
        ip("link", "add", f"{cable}u", "type", "veth", "peer", "name", f"{cable}v")
        ip("link", "set", cable, "master", f"{cable}b", "up")
        ip("link", "set", f"{cable}u", "master", f"{cable}b", "up")
        ip("link", "set", f"{cable}v", "master", self.trunk(link), "up")
        ip("link", "set", f"{cable}b", "up")
        ip("-n", space, "addr", "add", f"{base}.{number}/24", "dev", inside)
        if link == LINKS[1]:
            ip("-n", space, "addr", "add", f"{self.base6}:{number}/64", "dev", inside, "nodad")
        ip("-n", space, "link", "set", inside, "up")

    def inside(self, name: str) -> list[str]:
        """What a command is started by, that it is in a host's place."""
        return ["ip", "netns", "exec", self.space(name)]

    def do(self, verb: str, name: str, link: str = ALL, *more: str) -> None:
        """Do something to a host's link."""
        links = LINKS if link == ALL else (link,)
        if name not in NAMES or not set(links) <= set(LINKS):
            raise SystemExit(f"there is no link {link!r} of a host {name!r}")
        for cable in (self.cable(name, one) for one in links):
            match verb, *more:
                case (("down" | "up"),):
                    ip("link", "set", cable, verb)
                case ("drop-to",):
                    queue(cable, *LOSE)
                case ("drop-from",):
                    queue(f"{cable}u", *LOSE)
                case "throttle", rate:
                    for port in (cable, f"{cable}u"):
                        queue(port, *_slow(rate))
                case ("heal",):
                    ip("link", "set", cable, "up")
                    for port in (cable, f"{cable}u"):
                        unqueue(port)
                case _:
                    raise SystemExit(f"no command {' '.join([verb, *more])!r}")


def _slow(rate: str) -> tuple[str, ...]:
    """Return a queue that passes so many bytes a second."""
    if not rate.isdecimal() or not int(rate):
        raise SystemExit(f"{rate!r} is no whole number of bytes a second")
    return ("tbf", "rate", f"{8 * int(rate)}bit", "burst", "64kb", "latency", "50ms")


def queue(port: str, *words: str) -> None:
    """Have what leaves by a port pass a queue."""
    run("tc", "qdisc", "replace", "dev", port, "root", *words)


def unqueue(port: str) -> None:
    """Have what leaves by a port pass as it comes."""
    with contextlib.suppress(SystemExit):  # there may be no queue
        run("tc", "qdisc", "del", "dev", port, "root")


def ip(*words: str) -> None:
    """Run the program ip; it must succeed."""
    run("ip", *words)


def run(*words: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
