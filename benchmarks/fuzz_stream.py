# SPDX-License-Identifier: Apache-2.0
"""Read streams that were spoilt at random: none may crash what reads them, or keep it busy.

.venv/bin/python benchmarks/fuzz_stream.py --qemu 10.0 --inputs 20000

Every input is one that QEMU wrote, with up to eight changes where it is not the content of pages:
bytes, numbers, pieces cut out, doubled, moved, the end cut off. It is read, every field of every
device is decoded and told, it is compared with itself and written back, in a bounded number of
calls (`--calls` for each byte, counted as they are made, and not by the clock).
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from landfall import state
from landfall.guest import cache_folder
from landfall.state import showing
from landfall.stream import Flag, StreamError, parse, written

LEAST = 200_000
"""Calls that any input may cost."""
TELLING = [0, 1, 4, 5, 7, 8, 0x20, 0x7E, 0x7F, 0x80, 0xFF]
NUMBERS = [0, 1, 0x7FFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 64) - 1]
MOST_CHANGES = 8
PARTICULAR = re.compile(
    r"(?<=ends ).*|(?<=the block ).*(?= was)|(?<=the block ).*|(?<= at ).*|\d\w*"
)
"""What of a refusal is this input's own."""
TABLE = 300
"""Bytes of what announces the blocks: behind it, in a file, the pages are."""


class TooManyCalls(BaseException):
    """More was done than an input of this size is worth."""


class Seed:
    """A stream that QEMU wrote, and where in it is no page's content."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.tender = _tender(data)

    def spoilt(self, chance: random.Random) -> bytes:
        """Return it with some changes."""
        data = bytearray(self.data)
        for _ in range(min(MOST_CHANGES, 1 + int(chance.expovariate(1)))):
            place = min(self._place(chance), len(data) - 1)
            chance.choice(CHANGES)(data, place, chance)
        return bytes(data)

    def _place(self, chance: random.Random) -> int:
        start, end = chance.choice(self.tender)
        return chance.randrange(start, end)


def _tender(data: bytes) -> list[tuple[int, int]]:
    """Return ranges without pages: each as likely as any other, so that no large one hides all."""
    stream = parse(data)
    found = []
    for section in stream.sections:
        if not section.items:
            found.append((section.start, section.end))
        for item in section.items[:2]:
            end = item.payload if item.flag is Flag.PAGE else min(item.end, item.offset + TABLE)
            found.append((item.offset, end))
    return found


def a_byte(data: bytearray, at: int, chance: random.Random) -> None:
    """Put a byte that says something in the place of another."""
    data[at] = chance.choice(
        [*TELLING, chance.randrange(256), data[at] ^ 1 << chance.randrange(8)]
    )


def a_number(data: bytearray, at: int, chance: random.Random) -> None:
    """Put a number in the place of another."""
    size = chance.choice([2, 4, 8])
    number = chance.choice([*NUMBERS, chance.getrandbits(64)]) & ((1 << 8 * size) - 1)
    data[at : at + size] = number.to_bytes(size)[: len(data) - at]


def a_digit(data: bytearray, at: int, chance: random.Random) -> None:
    """Change a number of the description at the stream's end."""
    found = re.compile(rb": (\d+)").search(data, max(at, len(data) - 60_000))
    if found:
        told = str(chance.choice([*NUMBERS, -1, chance.randrange(100)])).encode("ascii")
        data[found.start(1) : found.end(1)] = told


def cut_out(data: bytearray, at: int, chance: random.Random) -> None:
    """Cut a piece out."""
    del data[at : at + chance.choice([1, 2, 8, chance.randrange(1, 5000)])]
    data += b"\0" * (not data)


def doubled(data: bytearray, at: int, chance: random.Random) -> None:
    """Repeat a piece."""
    piece = data[at : at + chance.choice([1, 9, chance.randrange(1, 5000)])]
    data[at:at] = piece


def moved(data: bytearray, at: int, chance: random.Random) -> None:
    """Write a piece over another."""
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 600)]
    data[at : at + len(piece)] = piece


def ended(data: bytearray, at: int, chance: random.Random) -> None:
    """Cut the end off, now and then."""
    if chance.random() < 0.2:
        del data[max(at, 1) :]


Change = Callable[[bytearray, int, random.Random], None]
CHANGES: list[Change] = [a_byte, a_byte, a_number, a_digit, cut_out, doubled, moved, ended]


def understood(data: bytes, most: int) -> str:
    """Do all that can be done with an input; return what became of it."""
    left = most

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left < 0:
                raise TooManyCalls

    sys.setprofile(count)
    try:
        found = state.read(data)
        again = b"".join(written(found.stream))
        for device in found.devices:
            list(showing.fields_as_text(device))
        list(showing.as_text(found))
        differing = state.differences(found, state.read(data))
    except StreamError as error:
        return "refused: " + PARTICULAR.sub("…", error.what.split(":")[0])
    finally:
        sys.setprofile(None)
    if differing:
        return "CRASH: it differs from itself"
    return "understood, and written unchanged" if again == data else "CRASH: written otherwise"


def seeds(binary: Path, folder: Path) -> list[Seed]:
    """Have QEMU write small streams of each form."""
    found = []
    for name, options, told in (
        ("microvm", ["-machine", "microvm", "-m", "1"], ""),
        ("isapc", ["-machine", "isapc", "-m", "1", "-device", "isa-vga"], ""),
        ("pc", ["-machine", "pc", "-m", "1", "-device", "virtio-rng-pci"], ""),
        ("mapped-ram", ["-machine", "microvm", "-m", "1"], "mapped-ram"),
    ):
        path = folder / name
        argv = [
            str(binary), "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
            *options, "-monitor", "stdio",
        ]  # fmt: skip
        capability = f"migrate_set_capability {told} on\n" if told else ""
        command = f"{capability}migrate file:{path}\nquit\n"
        subprocess.run(
            argv, input=command, text=True, check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        found.append(Seed(name, path.read_bytes()))
    return found


def run(kept: list[Seed], inputs: int, number: int, calls: int) -> None:
    """Read so many inputs, or until interrupted; print how many a second, and what became."""
    chance = random.Random(number)
    outcomes: Counter[str] = Counter()
    times: list[float] = []
    size = 0
    begun = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        for turn in range(inputs):
            (seed,) = chance.choices(kept, [1 / len(each.data) ** 0.5 for each in kept])
            data = seed.spoilt(chance)
            before = time.monotonic()
            outcomes[tried(data, calls, f"input {turn} of --seed {number}, {seed.name}")] += 1
            times.append(time.monotonic() - before)
            size += len(data)
    seconds, done = time.monotonic() - begun, len(times)
    print(
        f"{done} inputs (of {size / done / 1024:.0f} KiB) in {seconds:.1f} s: "
        f"{done / seconds:.1f} inputs/s; the slowest took {max(times):.2f} s"
    )
    for outcome, count in outcomes.most_common():
        print(f"  {count:7}  {outcome}")
    print(f"crashes: {sum(n for outcome, n in outcomes.items() if outcome.startswith('CRASH'))}")


def tried(data: bytes, calls: int, name: str) -> str:
    """Return what became of an input; a crash is told at once."""
    try:
        return understood(data, LEAST + calls * len(data))
    except (Exception, TooManyCalls) as error:
        print(f"{name}:", file=sys.stderr)
        traceback.print_exc()
        return f"CRASH: {error!r}"


def main() -> None:
    """Fuzz and print; a benchmark is no test, it exits 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--qemu", default="10.0", metavar="NAME", help="a fetched build")
    parser.add_argument("--inputs", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (1)")
    parser.add_argument("--calls", type=int, default=100, help="for each byte, at most (100)")
    chosen = parser.parse_args()
    binary = cache_folder("qemu") / chosen.qemu / "bin" / "qemu-system-x86_64"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        kept = seeds(binary, Path(folder))
    for seed in kept:
        print(f"seed {seed.name}: {len(seed.data)} bytes, {understood(seed.data, 1 << 40)}")
    run(kept, chosen.inputs, chosen.seed, chosen.calls)


if __name__ == "__main__":
    main()
