# SPDX-License-Identifier: Apache-2.0
"""Spoil one thing in a migration stream: a filter, standard input to standard output.

    ./landfall qualify --through 'python tests/filters/mutate.py drop-timer'

It reads the whole stream, changes it, writes it, and says on standard error what it did.
Exit status 1 and one line, without output, when there is nothing to change or the input
is no stream. A mutation is one function in `MUTATIONS`. The second paragraph of its docstring
is what was measured: what QEMU said (7.2.22 and 10.0.2 alike, q35 and microvm, TCG), and
what the guest pulse with two vCPUs said. `tests/stream/test_mutated_streams.py` holds both.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from landfall.stream import CONTINUE, Edit, Flag, Item, Kind, Section, Stream, StreamError, parse
from landfall.stream.owned import generation

__all__ = ["MUTATIONS", "NothingToMutate", "main"]


SEGMENTS, BASE_OF_ES = 120, 12
"""Bytes of env.segs, and where the base of its first, ES, ends (target/i386/machine.c, 10.0)."""


class NothingToMutate(Exception):
    """The stream does not have what the mutation changes."""


class Mutated(NamedTuple):
    """A stream to write, and what was done to it."""

    pieces: Iterable[bytes | memoryview]
    said: str


def cat(data: bytes) -> Mutated:
    """Parse, and write back section by section: the identity.

    QEMU: completed, running. Guest: nothing to report.
    """
    stream = parse(data)
    sections = (stream.data[section.start : section.end] for section in stream.sections)
    said = f"wrote back {len(stream.sections)} sections unchanged ({len(data)} bytes)"
    return Mutated((stream.data[: stream.header_end], *sections), said)


def hold(data: bytes) -> Mutated:
    """Write nothing before the end of the input, then all of it, whatever it is.

    QEMU: completed, running. Guest: nothing to report. It needs its input to be closed.
    """
    return Mutated((data,), f"held {len(data)} bytes until their end")


def drop_timer(data: bytes) -> Mutated:
    """Cut the section `timer` out: the offsets of the guest's clocks.

    QEMU: completed, running, no message. Guest: `tsc`, once for each vCPU (now 0x37c17e,
    before 0x253a0cd6): its TSC begins at the start of the destination's process.
    """
    stream = parse(data)
    section = _only(stream.named("timer"), "section timer")
    return _cut(stream, section, f"section timer ({section.end - section.start} bytes)")


def shift_tsc(data: bytes) -> Mutated:
    """Move the guest's TSC on by 10 TCG ticks to the power of 13, an hour or so.

    QEMU: completed, running, no message. Guest: nothing to report; its heartbeats show it.
    """
    return _added(data, "timer", 0, "cpu_ticks_offset", 10**13)


def late_timer(data: bytes) -> Mutated:
    """Let the local APIC timer of the last vCPU fire next in an hour.

    QEMU: completed, running, no message. Guest: that vCPU's timer interrupts stand still.
    """
    last = max(section.instance for section in parse(data).named("apic", Kind.FULL))
    return _added(data, "apic", last, "timer_expiry", 3600 * 10**9)


def drop_last_ram(data: bytes) -> Mutated:
    """Cut the last RAM section out: the pages that were dirty when the source stopped.

    QEMU: completed, running, no message. Guest: `page` for a good many; where pulse's
    own stack or tables were among them also `trap`, or it falls silent.
    """
    stream = parse(data)
    section = _only(stream.named("ram", Kind.END), "last ram section")
    pages = sum(1 for item in section.items if item.block)
    if not pages:
        raise NothingToMutate("there is no page in the last ram section")
    return _cut(stream, section, f"the last ram section ({pages} pages)")


def truncate(data: bytes) -> Mutated:
    """Stop before EOF.

    QEMU: MIGRATION event `failed`, then exit status 1, "load of migration failed:
    Input/output error". Guest: not started.
    """
    stream = parse(data)
    section = next(section for section in stream.sections if section.kind == Kind.EOF)
    edit = Edit(section.start, len(data))
    return _edited(stream, [edit], f"stopped before EOF at 0x{section.start:x}")


def flip_byte(data: bytes) -> Mutated:
    """Change one byte in the last copy of a page of the guest's.

    QEMU: completed, running, no message. Guest: `page`, one bad word.
    """
    stream = parse(data)
    item = _owned_page(stream)
    at = (item.payload + item.end) // 2
    edit = Edit(at, at + 1, bytes([data[at] ^ 0xFF]))
    return _edited(stream, [edit], f"flipped a byte of {_page(item)} at 0x{at:x}")


def zero_page(data: bytes) -> Mutated:
    """Send zeroes for the last copy of a page of the guest's.

    QEMU: completed, running, no message. Guest: `page`, 0x200 bad words, found 0.
    """
    stream = parse(data)
    item = _owned_page(stream)
    word = item.address | Flag.ZERO | (CONTINUE if item.continues else 0)
    edits = [
        Edit(item.offset, item.offset + 8, word.to_bytes(8)),
        Edit(item.payload, item.end, b"\0"),
    ]
    return _edited(stream, edits, f"zeroed {_page(item)} at 0x{item.offset:x}")


def stale_page(data: bytes) -> Mutated:
    """Leave out the last copy of a page of the guest's, so that an earlier one counts.

    QEMU: completed, running, no message. Guest: `page`, 0x200 bad words, one generation old.
    """
    stream = parse(data)
    items = [item for item in stream.pages() if item.block]
    index = _resent_page(stream, items)
    item = items[index]
    edits = [Edit(item.offset, item.end), *_entering_again(item, items[index + 1 : index + 2])]
    return _edited(stream, edits, f"left out the last copy of {_page(item)} at 0x{item.offset:x}")


def swap_cpus(data: bytes) -> Mutated:
    """Give the first two vCPUs each other's state.

    QEMU: completed, running, no message. Guest: mostly `register`, apic_base, apic.id and
    apic.tpr, while its heart beats on, because what it knows a vCPU by is swapped too. It
    fell silent for good, in the middle of a word, when a vCPU that was halted (section
    cpu_common, which stays) got the state of one that was not.
    """
    stream = parse(data)
    cpus = {section.instance: section for section in stream.named("cpu", Kind.FULL)}
    if not {0, 1} <= cpus.keys():
        raise NothingToMutate("there are no sections cpu 0 and cpu 1")
    edits = [
        Edit(one.payload, one.payload_end, data[other.payload : other.payload_end])
        for one, other in ((cpus[0], cpus[1]), (cpus[1], cpus[0]))
    ]
    places = f"at 0x{cpus[0].start:x} and 0x{cpus[1].start:x}"
    return _edited(stream, edits, f"swapped the sections cpu 0 and cpu 1 {places}")


def cpu_register(data: bytes) -> Mutated:
    """Change one byte of the first vCPU's register xmm7.

    QEMU: completed, running, no message. Guest: `register`, xmm7.0, once.
    """
    stream = parse(data)
    cpu = _only(stream.named("cpu", Kind.FULL), "section cpu")
    fields = stream.description.fields(cpu.name, cpu.instance) if stream.description else []
    names = [field for field in fields if field.name.startswith("env.xmm_regs")]
    if not names:
        raise NothingToMutate("the stream does not say where env.xmm_regs are")
    at = cpu.payload + names[0].offset + 7 * 16
    edit = Edit(at, at + 1, bytes([data[at] ^ 0xFF]))
    return _edited(stream, [edit], f"flipped a byte of xmm7 of vCPU {cpu.instance} at 0x{at:x}")


def segment_base(data: bytes) -> Mutated:
    """Move the base of the first vCPU's segment ES on by 16 bytes; the selector stays.

    QEMU: completed, running, no message. Guest: nothing in 64-bit mode, where ES has no base;
    told to switch modes (`flip=1f`) and caught in another, `mode`, text=near, once.
    """
    return _added(data, "cpu", 0, "env.segs", 16 << 8 * (SEGMENTS - BASE_OF_ES))


def leave_v86(data: bytes) -> Mutated:
    """Clear EFLAGS.VM of the first vCPU, which must be in virtual-8086 mode.

    QEMU: completed, running, no message. Guest (`flip=1f`): `mode`, text=exception found=d: the
    segments' privilege is 3 still, and there `hlt` is not allowed.
    """
    return _added(data, "cpu", 0, "env.eflags", -0x20000)


def leave_real(data: bytes) -> Mutated:
    """Set CR0.PE of the first vCPU, which must be in real mode.

    QEMU: completed, running, no message. Guest (`flip=1f`): `mode`, text=msw; or, where it was
    halted, the next interrupt finds no gate and the machine is reset: it begins anew.
    """
    return _added(data, "cpu", 0, "env.cr[0]", 1)


def runs(data: bytes) -> Mutated:
    """Say that the guest ran when it left, whatever it did: the run state in `globalstate`.

    QEMU: completed, running, no message. Guest: nothing to report if it had been stopped; one
    that slept, was off or had panicked says `lingers`.
    """
    stream = parse(data)
    section = _only(stream.named("globalstate", Kind.FULL), "section globalstate")
    at = data.index(b"\0", section.payload + 4)  # a length, then the name and what is behind it
    name = data[section.payload + 4 : at].decode("ascii")
    new = b"running".ljust(at - section.payload - 4, b"\0")
    edit = Edit(section.payload + 4, section.payload + 4 + len(new), new)
    return _edited(stream, [edit], f"made {name} running at 0x{section.payload + 4:x}")


MUTATIONS: dict[str, Callable[[bytes], Mutated]] = {
    "cat": cat,
    "hold": hold,
    "drop-timer": drop_timer,
    "shift-tsc": shift_tsc,
    "late-timer": late_timer,
    "drop-last-ram": drop_last_ram,
    "flip-byte": flip_byte,
    "zero-page": zero_page,
    "stale-page": stale_page,
    "swap-cpus": swap_cpus,
    "cpu-register": cpu_register,
    "segment-base": segment_base,
    "leave-v86": leave_v86,
    "leave-real": leave_real,
    "truncate": truncate,
    "runs": runs,
}


def _added(data: bytes, device: str, instance: int, name: str, amount: int) -> Mutated:
    """Add to a number in a device's state."""
    stream = parse(data)
    sections = [s for s in stream.named(device, Kind.FULL) if s.instance == instance]
    section = _only(sections, f"section {device} {instance}")
    fields = stream.description.fields(device, instance) if stream.description else []
    field = next((field for field in fields if field.name == name), None)
    if field is None:
        raise NothingToMutate(f"the stream does not say where {name} of {device} is")
    at, end = section.payload + field.offset, section.payload + field.offset + field.size
    value = int.from_bytes(data[at:end]) + amount
    edit = Edit(at, end, value.to_bytes(field.size))
    return _edited(stream, [edit], f"added {amount} to {name} of {device} {instance} at 0x{at:x}")


def _edited(stream: Stream, edits: list[Edit], said: str) -> Mutated:
    return Mutated(stream.pieces(edits), said)


def _cut(stream: Stream, section: Section, what: str) -> Mutated:
    edit = Edit(section.start, section.end)
    return _edited(stream, [edit], f"dropped {what} at 0x{section.start:x}")


def _only(sections: list[Section], what: str) -> Section:
    if not sections:
        raise NothingToMutate(f"there is no {what}")
    return sections[0]


def _page(item: Item) -> str:
    return f"page 0x{item.address:x} of {item.block}"


def _generation(stream: Stream, item: Item) -> int | None:
    """Return which generation of a guest's pattern a page holds; None for any other page."""
    return generation(stream.data[item.payload : item.end])


def _last_copies(stream: Stream) -> Iterator[Item]:
    """Yield what was last sent for each page, the latest first."""
    seen = set()
    for section in reversed(stream.sections):
        for item in reversed(section.items):
            if item.block and (item.block, item.address) not in seen:
                seen.add((item.block, item.address))
                yield item


def _owned_page(stream: Stream) -> Item:
    pages = (item for item in _last_copies(stream) if item.flag == Flag.PAGE)
    for item in pages:
        if _generation(stream, item) is not None:
            return item
    raise NothingToMutate("no page holds the pattern of a guest of ours")


def _resent_page(stream: Stream, items: list[Item]) -> int:
    """Return the index of the last copy of a page whose copy before was an older generation."""
    last: dict[tuple[str, int], int] = {}
    for index in reversed(range(len(items))):
        item = items[index]
        later = last.setdefault((item.block, item.address), index)
        if later == index or Flag.ZERO in (item.flag, items[later].flag):
            continue
        generations = _generation(stream, item), _generation(stream, items[later])
        if None not in generations and generations[0] != generations[1]:
            return later
    raise NothingToMutate("no page of a guest of ours was sent in two generations")


def _entering_again(gone: Item, following: list[Item]) -> Iterator[Edit]:
    """Yield what names the block in the item that followed one that did so and is gone."""
    for item in following:
        if item.continues and not gone.continues:
            name = gone.block.encode("ascii")
            word = (item.address | item.flag).to_bytes(8)
            yield Edit(item.offset, item.offset + 8, word + bytes([len(name)]) + name)


def main(arguments: list[str] | None = None) -> int:
    """Mutate standard input; return the exit status."""
    parser = argparse.ArgumentParser(description="Spoil one thing in a migration stream.")
    parser.add_argument("mutation", choices=list(MUTATIONS))
    mutation = MUTATIONS[parser.parse_args(arguments).mutation]
    try:
        mutated = mutation(sys.stdin.buffer.read())
        for piece in mutated.pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except (NothingToMutate, StreamError, BrokenPipeError) as error:
        print(f"mutate: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the flush at exit
        return 1
    print(f"mutate: {mutated.said}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
