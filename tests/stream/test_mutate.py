# SPDX-License-Identifier: Apache-2.0
"""The filter spoils what it says, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from landfall.stream import Flag, Kind, StreamError, parse
from tests.stream import made
from tests.stream.made import EOF, HEADER, PAGE, full, item, owned, ram, ram_start

WHOLE = made.whole()
BLOCK = ("pc.ram", 16 * PAGE)


def mutate(mutation: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the filter as --through does."""
    argv = [sys.executable, "-m", "landfall.mutants", mutation]
    return subprocess.run(argv, input=data, capture_output=True, timeout=60, check=False)


def sent(data: bytes) -> list[tuple[str, int, Flag, bytes]]:
    """Return what a stream sends for each page, in order."""
    pages = [item for item in parse(data).pages() if item.block]
    return [(i.block, i.address, i.flag, data[i.payload : i.end]) for i in pages]


def differences(data: bytes) -> list[int]:
    """Return where some bytes differ from those of the whole stream."""
    assert len(data) == len(WHOLE)
    return [at for at, (old, new) in enumerate(zip(WHOLE, data, strict=True)) if old != new]


@pytest.mark.parametrize("mutation", ["cat", "hold"])
def test_identity(mutation: str) -> None:
    """A stream that is not to be changed comes out as it went in."""
    done = mutate(mutation, WHOLE)

    assert done.stdout == WHOLE
    assert done.returncode == 0
    assert done.stderr.startswith(b"mutate: ")


def test_hold_takes_anything() -> None:
    """What is only held need not be a stream."""
    assert mutate("hold", b"anything").stdout == b"anything"


def test_drop_timer() -> None:
    """The section timer is gone, and the message says what and where."""
    section = parse(WHOLE).named("timer")[0]

    done = mutate("drop-timer", WHOLE)

    assert done.stdout == WHOLE[: section.start] + WHOLE[section.end :]
    said = f"mutate: dropped section timer ({section.end - section.start} bytes) at"
    assert done.stderr.decode() == f"{said} 0x{section.start:x}\n"


def test_drop_last_ram() -> None:
    """The section END of ram is gone."""
    section = parse(WHOLE).named("ram", Kind.END)[0]

    done = mutate("drop-last-ram", WHOLE)

    assert done.stdout == WHOLE[: section.start] + WHOLE[section.end :]


def test_truncate() -> None:
    """The stream stops where EOF was."""
    eof = next(section for section in parse(WHOLE).sections if section.kind == Kind.EOF)

    assert mutate("truncate", WHOLE).stdout == WHOLE[: eof.start]


def test_flip_byte() -> None:
    """One byte differs, in the last copy of a page that the guest owns."""
    last = parse(WHOLE).named("ram", Kind.END)[0].items[1]

    changed = differences(mutate("flip-byte", WHOLE).stdout)

    assert len(changed) == 1
    assert last.payload <= changed[0] < last.end


def test_zero_page() -> None:
    """A page that the guest owns is sent as zeroes at last."""
    old = sent(WHOLE)

    new = sent(mutate("zero-page", WHOLE).stdout)

    assert new[:-1] == old[:-1]
    assert new[-1] == ("pc.ram", 2 * PAGE, Flag.ZERO, b"\0")


def test_stale_page() -> None:
    """The last copy of a page is not sent, and all else is."""
    assert sent(mutate("stale-page", WHOLE).stdout) == sent(WHOLE)[:-1]


def test_stale_page_that_named_its_block() -> None:
    """An item that continued the one left out names its block itself."""
    pages = [
        item(Flag.PAGE, PAGE, owned(PAGE, 1), "pc.ram"),
        item(Flag.ZERO, 0, b"\0", "pc.bios"),
        item(Flag.PAGE, PAGE, owned(PAGE, 2), "pc.ram"),
    ]
    after = ram(item(Flag.ZERO, 0, b"\0"), item(Flag.ZERO, 2 * PAGE, b"\0"), kind=3)
    data = HEADER + ram_start(BLOCK, ("pc.bios", PAGE)) + ram(*pages) + after + EOF

    done = mutate("stale-page", data)

    old = sent(data)
    assert sent(done.stdout) == old[:2] + old[3:]


def test_swap_cpus() -> None:
    """The first two vCPUs have each other's state, however long each is."""
    data = HEADER + full(4, "cpu", b"first") + full(7, "cpu", b"second one", instance=1) + EOF

    done = mutate("swap-cpus", data)

    expected = full(4, "cpu", b"second one") + full(7, "cpu", b"first", instance=1)
    assert done.stdout == HEADER + expected + EOF


def test_cpu_register() -> None:
    """One byte differs, in xmm7 of the first vCPU."""
    cpu = parse(WHOLE).named("cpu")[0]

    assert differences(mutate("cpu-register", WHOLE).stdout) == [cpu.payload + 16 * 8 + 7 * 16]


@pytest.mark.parametrize(
    ("mutation", "data", "words"),
    [
        ("cat", b"anything", "at 0x0: it does not begin with QEVM"),
        ("drop-timer", HEADER + EOF, "there is no section timer"),
        ("drop-last-ram", HEADER + EOF, "there is no last ram section"),
        ("drop-last-ram", HEADER + ram_start(BLOCK) + ram(kind=3) + EOF, "there is no page"),
        ("flip-byte", HEADER + ram_start(BLOCK) + EOF, "no page holds the pattern"),
        ("zero-page", HEADER + ram_start(BLOCK) + EOF, "no page holds the pattern"),
        ("stale-page", HEADER + EOF, "no page of a guest of ours was sent in two generations"),
        ("stale-delta", HEADER + EOF, "of no page of a guest of ours the changes were sent"),
        ("swap-cpus", HEADER + full(4, "cpu", b"one") + EOF, "there are no sections cpu 0 and"),
        ("cpu-register", HEADER + EOF, "there is no section cpu"),
        ("cpu-register", HEADER + full(4, "cpu", b"one") + EOF, "the stream does not say where"),
    ],
    ids=[
        "no stream", "no timer", "no end of ram", "empty end of ram", "no page to flip",
        "no page to zero", "no page sent twice", "no changes", "one vCPU", "no vCPU",
        "no description",
    ],
)  # fmt: skip
def test_nothing_to_mutate(mutation: str, data: bytes, words: str) -> None:
    """Where there is nothing to change, nothing is written and one line says why."""
    done = mutate(mutation, data)

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().count("\n") == 1
    assert done.stderr.decode().startswith(f"mutate: {words}")


def test_pages_of_others_are_left_alone() -> None:
    """A page that only begins like the guest's, or begins in the middle, is not the guest's."""
    two = owned(PAGE, 1) + owned(2 * PAGE, 1)
    pages = [
        item(Flag.PAGE, PAGE, owned(PAGE, 1)[:-8] + bytes(8), "pc.ram"),
        item(Flag.PAGE, 2 * PAGE, two[8 : PAGE + 8]),
    ]

    done = mutate("flip-byte", HEADER + ram_start(BLOCK) + ram(*pages) + EOF)

    assert done.returncode == 1


def test_cut_stream_is_no_stream() -> None:
    """A filter refuses a stream that is not whole."""
    with pytest.raises(StreamError):
        parse(WHOLE[:-1])

    assert mutate("cat", WHOLE[:-1]).returncode == 1
