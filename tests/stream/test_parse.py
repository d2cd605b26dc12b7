# SPDX-License-Identifier: Apache-2.0
"""A precopy stream is understood to its last byte."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest

from landfall.stream import Edit, Flag, Kind, parse, written
from tests.stream import made
from tests.stream.made import EOF, HEADER, PAGE, configuration, full, item, ram, ram_start

BLOCK = ("pc.ram", 16 * PAGE)


def test_sections_tile_the_stream() -> None:
    """Each section begins where the one before ended, and the last one ends the stream."""
    stream = parse(made.whole())

    ends = [stream.header_end, *(section.end for section in stream.sections)]
    assert [section.start for section in stream.sections] == ends[:-1]
    assert ends[-1] == len(made.whole())


def test_items_tile_their_section() -> None:
    """Each RAM item begins where the one before ended, and EOS ends the section."""
    stream = parse(made.whole())

    part = stream.named("ram", Kind.PART)[0]
    assert [item.offset for item in part.items[1:]] == [item.end for item in part.items[:-1]]
    assert part.items[0].offset == part.payload
    assert part.items[-1].end == part.payload_end


def test_written_unchanged() -> None:
    """A stream that was read is written back unchanged."""
    written = BytesIO()

    parse(made.whole()).write(written)

    assert written.getvalue() == made.whole()


def test_edits() -> None:
    """Edits replace bytes in order of place, whatever their own order."""
    stream = parse(HEADER + configuration() + EOF)
    written = BytesIO()

    stream.write(written, [Edit(4, 8, b"!"), Edit(0, 4, b"VMEQ")])

    assert written.getvalue() == b"VMEQ!" + configuration() + EOF


def test_edits_may_not_overlap() -> None:
    """Edits of the same byte are refused."""
    stream = parse(HEADER + EOF)

    with pytest.raises(ValueError, match="overlaps"):
        list(stream.pieces([Edit(0, 4), Edit(3, 5)]))


def test_headers() -> None:
    """A section says what it is: a device with its instance, a command, the machine."""
    stream = parse(made.whole())

    kinds = [(section.kind.name, section.name, section.instance) for section in stream.sections]
    assert kinds == [
        ("CONFIGURATION", "pc-q35-7.2", 0),
        ("COMMAND", "OPEN_RETURN_PATH", 0),
        ("START", "ram", 0),
        ("PART", "ram", 0),
        ("COMMAND", "SWITCHOVER_START", 0),
        ("END", "ram", 0),
        ("FULL", "timer", 0),
        ("FULL", "cpu", 0),
        ("FULL", "cpu", 1),
        ("FULL", "disk", 0),
        ("EOF", "", 0),
        ("VMDESCRIPTION", "", 0),
    ]


def test_continue_names_the_block_before() -> None:
    """An item without a name belongs to the block before it, across sections too."""
    page = item(Flag.PAGE, PAGE, bytes(PAGE))
    first = ram(item(Flag.ZERO, 0, b"\0", "pc.ram"))

    stream = parse(HEADER + ram_start(BLOCK) + first + ram(page, kind=3) + EOF)

    pages = [(item.flag, item.block, item.address, item.continues) for item in stream.pages()]
    assert pages[2] == (Flag.ZERO, "pc.ram", 0, False)
    assert pages[4] == (Flag.PAGE, "pc.ram", PAGE, True)


@pytest.mark.parametrize(
    ("flag", "payload"),
    [
        (Flag.XBZRLE, b"\1" + (3).to_bytes(2) + b"abc"),
        (Flag.COMPRESS_PAGE, (3).to_bytes(4) + b"abc"),
    ],
    ids=["xbzrle", "compressed"],
)
def test_pages_with_a_length(flag: Flag, payload: bytes) -> None:
    """A page that says how long it is ends there."""
    sections = ram(item(flag, PAGE, payload, "pc.ram"), item(Flag.ZERO, 0, b"\0"))

    stream = parse(HEADER + ram_start(BLOCK) + sections + EOF)

    assert [item.flag for item in stream.named("ram")[1].items] == [flag, Flag.ZERO, Flag.EOS]


def test_multifd_flush_belongs_to_no_block() -> None:
    """MULTIFD_FLUSH is an item without a block."""
    flush = int(Flag.MULTIFD_FLUSH).to_bytes(8)

    stream = parse(HEADER + ram_start(BLOCK) + ram(flush) + EOF)

    assert stream.named("ram")[1].items[0].block == ""


def test_huge_page_blocks() -> None:
    """A block of huge pages brings its page size when postcopy is possible."""
    extra = (2 << 20).to_bytes(8)

    stream = parse(HEADER + ram_start(BLOCK, extra=extra) + EOF)

    assert [block.page_size for block in stream.blocks] == [2 << 20]


def test_shared_blocks_have_addresses() -> None:
    """A block brings its guest address under x-ignore-shared, which the stream names."""
    names = (1).to_bytes(4) + made.counted("x-ignore-shared")
    named = configuration(subsections=made.subsection("configuration/capabilities", names))

    stream = parse(HEADER + named + ram_start(BLOCK, extra=bytes(8)) + EOF)

    assert stream.capabilities == ("x-ignore-shared",)
    assert [block.name for block in stream.blocks] == ["pc.ram"]


@pytest.mark.parametrize("bits", [12, 14])
def test_page_bits(bits: int) -> None:
    """The size of a page is what the configuration says."""
    said = made.subsection("configuration/target-page-bits", bits.to_bytes(4))
    page = item(Flag.PAGE, 0, bytes(1 << bits), "pc.ram")

    stream = parse(
        HEADER + configuration(subsections=said) + ram_start(("pc.ram", 1 << 20)) + ram(page) + EOF
    )

    sent = stream.named("ram")[1].items[0]
    assert sent.end - sent.payload == 1 << bits


def test_uuid_in_the_configuration() -> None:
    """The configuration may carry the guest's UUID."""
    said = made.subsection("configuration/uuid", bytes(16))

    stream = parse(HEADER + configuration(subsections=said) + EOF)

    assert stream.sections[0].end == len(HEADER) + len(configuration()) + len(said)


def test_description_ends_a_device() -> None:
    """A described device ends where its description says, a false footer in it or not."""
    fake = made.footer(9) + full(8, "fake", b"")
    told = made.description(made.described("disk", [("blob", len(fake), 1)]))

    stream = parse(HEADER + full(9, "disk", fake) + EOF + told)

    assert [section.name for section in stream.sections[:1]] == ["disk"]
    assert stream.sections[0].payload_end - stream.sections[0].payload == len(fake)


def test_subsections_count() -> None:
    """A subsection's header is part of a device, though nothing describes it."""
    sub = made.subsection("disk/more", bytes(4))
    inner = {"vmsd_name": "disk/more", "version": 1, "fields": [{"name": "x", "size": 4}]}
    told = made.described("disk", [("x", 2, 3)], subsections=[inner])

    stream = parse(HEADER + full(9, "disk", bytes(6) + sub) + EOF + made.description(told))

    assert stream.description is not None
    assert stream.description.size("disk", 0) == 6 + len(sub)


def test_footer_ends_a_device_without_description() -> None:
    """A device that nothing describes ends at its footer that something valid follows."""
    stream = parse(HEADER + full(5, "disk", made.PAYLOAD) + EOF)

    assert stream.sections[0].payload_end - stream.sections[0].payload == len(made.PAYLOAD)


def test_wrong_description_is_not_believed() -> None:
    """A description that no footer confirms does not end a device."""
    told = made.description(made.described("disk", [("x", 1, 1)]))

    stream = parse(HEADER + full(5, "disk", bytes(9)) + EOF + told)

    assert stream.sections[0].payload_end - stream.sections[0].payload == 9


def test_no_footers() -> None:
    """A machine type without footers is read by its description."""
    told = made.description(made.described("disk", [("x", 8, 2)]))
    sections = ram_start(BLOCK, end=b"") + full(5, "disk", bytes(16), end=b"")

    stream = parse(HEADER + sections + EOF + told)

    assert not stream.has_footers
    assert stream.sections[1].end == stream.sections[2].start


def test_packaged() -> None:
    """What a PACKAGED command holds is read as sections."""
    package = full(5, "disk", bytes(9))
    head = made.command(7, len(package).to_bytes(4))

    stream = parse(HEADER + head + package + EOF)

    assert [section.name for section in stream.sections] == ["PACKAGED", "disk", ""]


def test_fields_by_offset() -> None:
    """A device's fields are found by their offsets."""
    stream = parse(made.whole())

    assert stream.description is not None
    fields = stream.description.fields("cpu", 1)
    assert [(field.name, field.offset, field.size) for field in fields] == [
        ("env.regs", 0, 128),
        ("env.xmm_regs[0]", 128, 256),
    ]


def test_items_can_be_sliced() -> None:
    """The items of a section are a sequence."""
    items = parse(made.whole()).named("ram", Kind.PART)[0].items

    assert [item.block for item in items[-2:]] == ["pc.bios", ""]
    assert items[-1].flag == Flag.EOS
    assert len(items) == 5


def test_written_from_parts() -> None:
    """What is written is what was understood: a section with another number is another stream."""
    stream = parse(made.whole())
    place = next(n for n, section in enumerate(stream.sections) if section.name == "timer")
    stream.sections[place] = replace(stream.sections[place], instance=9)

    again = b"".join(written(stream))

    at = stream.sections[place].payload - 8
    assert again == made.whole()[:at] + (9).to_bytes(4) + made.whole()[at + 4 :]
