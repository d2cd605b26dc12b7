# SPDX-License-Identifier: Apache-2.0
"""Small streams, put together by hand: what QEMU would write, and what it would not."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence

from landfall.stream import CONTINUE, Flag, StreamError, parse, written

PAGE = 4096
HEADER = b"QEVM" + (3).to_bytes(4)
EOF = b"\0"
EOS = int(Flag.EOS).to_bytes(8)
RAM_ID = 2


def counted(name: str) -> bytes:
    """Return a name after its length."""
    return bytes([len(name)]) + name.encode("ascii")


def configuration(machine: str = "pc-q35-7.2", subsections: bytes = b"") -> bytes:
    """Return the section that names the machine."""
    return b"\7" + len(machine).to_bytes(4) + machine.encode("ascii") + subsections


def subsection(name: str, payload: bytes) -> bytes:
    """Return a subsection, version 1."""
    return b"\5" + counted(name) + (1).to_bytes(4) + payload


def command(number: int, payload: bytes = b"") -> bytes:
    """Return a command."""
    return b"\x08" + number.to_bytes(2) + len(payload).to_bytes(2) + payload


def footer(section_id: int) -> bytes:
    """Return a section's footer."""
    return b"\x7e" + section_id.to_bytes(4)


def full(
    section_id: int, name: str, payload: bytes, instance: int = 0, end: bytes | None = None
) -> bytes:
    """Return a device's section, with a footer or another end."""
    numbers = instance.to_bytes(4) + (1).to_bytes(4)
    head = b"\4" + section_id.to_bytes(4) + counted(name) + numbers
    return head + payload + (footer(section_id) if end is None else end)


def ram_start(*blocks: tuple[str, int], extra: bytes = b"", end: bytes | None = None) -> bytes:
    """Return the section that announces the blocks; `extra` follows each block's length."""
    total = sum(length for _, length in blocks)
    table = b"".join(counted(name) + length.to_bytes(8) + extra for name, length in blocks)
    head = b"\1" + RAM_ID.to_bytes(4) + counted("ram") + (0).to_bytes(4) + (4).to_bytes(4)
    body = (total | Flag.MEM_SIZE).to_bytes(8) + table + EOS
    return head + body + (footer(RAM_ID) if end is None else end)


def ram(*items: bytes, kind: int = 2, end: bytes | None = None) -> bytes:
    """Return a RAM section, PART unless told."""
    body = b"".join(items) + EOS
    return bytes([kind]) + RAM_ID.to_bytes(4) + body + (footer(RAM_ID) if end is None else end)


def item(flag: int, address: int, payload: bytes, block: str = "") -> bytes:
    """Return a RAM item that names its block, or continues the one before."""
    if block:
        return (address | flag).to_bytes(8) + counted(block) + payload
    return (address | flag | CONTINUE).to_bytes(8) + payload


def owned(address: int, generation: int) -> bytes:
    """Return a page as the guest pulse writes it."""
    first = generation << 32 | address >> 3
    return b"".join(word.to_bytes(8, "little") for word in array("Q", range(first, first + 512)))


def description(*devices: dict[str, object], page_size: int = PAGE) -> bytes:
    """Return the description of some devices, as it follows EOF."""
    text = json.dumps({"page_size": page_size, "devices": devices}).encode("ascii")
    return b"\6" + len(text).to_bytes(4) + text


def described(
    name: str, fields: Sequence[tuple[str, int, int]], instance: int = 0, **more: object
) -> dict[str, object]:
    """Return a device of a description: its fields as (name, size, elements)."""
    kinds = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}
    table = [
        {"name": name, "array_len": count, "type": kinds.get(size, "buffer"), "size": size}
        for name, size, count in fields
    ]
    return {"name": name, "instance_id": instance, "vmsd_name": name, "fields": table, **more}


def outcome(data: bytes) -> str:
    """Return what becomes of some bytes; another exception than StreamError goes through."""
    try:
        stream = parse(data)
    except StreamError as error:
        return str(error)
    again = b"".join(written(stream))
    return "written unchanged" if again == data else "written otherwise"


def mapped(count: int = 16, *there: int) -> bytes:
    """Return a mapped-ram file with one block, of which some pages are there."""
    names = (1).to_bytes(4) + counted("mapped-ram")
    named = configuration(subsections=subsection("configuration/capabilities", names))
    start = b"\1" + RAM_ID.to_bytes(4) + counted("ram") + (0).to_bytes(4) + (4).to_bytes(4)
    table = (count * PAGE | Flag.MEM_SIZE).to_bytes(8) + counted("pc.ram")
    table += (count * PAGE).to_bytes(8)
    bitmap_at = len(HEADER + named + start + table) + 28
    bitmap = sum(1 << number for number in there).to_bytes(-(-count // 64) * 8, "little")
    pages_at = -(-(bitmap_at + len(bitmap)) // PAGE) * PAGE
    head = (1).to_bytes(4) + PAGE.to_bytes(8) + bitmap_at.to_bytes(8) + pages_at.to_bytes(8)
    front = (HEADER + named + start + table + head + bitmap).ljust(pages_at, b"\0")
    pages = b"".join(owned(n * PAGE, 1) if n in there else bytes(PAGE) for n in range(count))
    return front + pages + EOS + footer(RAM_ID) + ram(kind=3) + full(3, "timer", bytes(24)) + EOF


PAYLOAD = b"\x7e\0\0\0\x05 no footer: nothing may follow"
"""A device's state in which its own footer occurs."""


def whole() -> bytes:
    """Return a stream that has one of everything."""
    blocks = [("pc.ram", 16 * PAGE), ("pc.bios", PAGE)]
    first = [
        item(Flag.ZERO, 0, b"\0", "pc.ram"),
        item(Flag.PAGE, PAGE, owned(PAGE, 1)),
        item(Flag.PAGE, 2 * PAGE, owned(2 * PAGE, 1)),
        item(Flag.PAGE, 0, b"\xea" * PAGE, "pc.bios"),
    ]
    last = [
        item(Flag.PAGE, PAGE, owned(PAGE, 2), "pc.ram"),
        item(Flag.PAGE, 2 * PAGE, owned(2 * PAGE, 2)),
    ]
    registers = [("env.regs", 8, 16), ("env.xmm_regs[0]", 16, 16)]
    cpus = [described("cpu", registers, instance) for instance in (0, 1)]
    return b"".join([
        HEADER,
        configuration(),
        command(1),
        ram_start(*blocks),
        ram(*first),
        command(11),
        ram(*last, kind=3),
        full(3, "timer", bytes(24)),
        full(4, "cpu", b"a" * 384, instance=0),
        full(7, "cpu", b"b" * 384, instance=1),
        full(5, "disk", PAYLOAD),
        EOF,
        description(described("timer", [("offset", 8, 3)]), *cpus),
    ])  # fmt: skip


WHOLE_PAGES_FROM = whole().index(owned(PAGE, 1))
WHOLE_PAGES_AFTER = len(whole()) - whole().rindex(owned(2 * PAGE, 2)) - PAGE
"""How much of `whole` comes before its first page and after its last one."""
