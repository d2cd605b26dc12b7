# SPDX-License-Identifier: Apache-2.0
"""What a stream says of RAM is what the guest's RAM held: by whatever way, on every build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from landfall import state
from landfall.clock import Bell
from landfall.state import State
from landfall.stream import Flag, Stream, parse, written
from landfall.stream.contents import Contents
from landfall.stream.feed import Feed
from landfall.stream.multifd import packets
from landfall.stream.pages import Pages
from tests.stream.conftest import fetched
from tests.stream.rig import DEADLINE, Qemu, Recorder, qemu
from tests.stream.tee import Tee, tee

pytestmark = pytest.mark.qemu

SIZE = 16 << 20
CHANNELS = 3
SLOWLY = 8 << 20
"""Bytes a second, at which RAM is gone through again and again."""
PASSES = 4


def capable(vm: Qemu, *names: str) -> None:
    """Switch capabilities on."""
    told = [{"capability": name, "state": True} for name in names]
    vm.execute("migrate-set-capabilities", capabilities=told)


def ended(vm: Qemu) -> str:
    """Return how a migration ended: also one that had ended before."""

    def status() -> str | None:
        found = str(vm.execute("query-migrate").get("status", ""))
        return found if found in ("completed", "failed") else None

    return Bell().wait(status, within=DEADLINE, what="the migration's end", look_every=0.02)


def passed_over(vm: Qemu, times: int) -> None:
    """Wait until RAM was gone through so many times."""

    def many() -> bool:
        ram = vm.execute("query-migrate").get("ram", {})
        return bool(ram.get("dirty-sync-count", 0) >= times)

    Bell().wait(many, within=DEADLINE, what=f"{times} passes", look_every=0.02)


def memory(vm: Qemu, folder: Path) -> bytes:
    """Return the guest's RAM as QEMU holds it, below the hole at 640 KiB and above 1 MiB."""
    path = folder / "memory"
    vm.execute("pmemsave", val=0, size=SIZE, filename=str(path))
    return path.read_bytes()


def expect_same(pages: Pages, held: bytes) -> None:
    """Expect each page of RAM to be what QEMU held; the hole for ROMs and screens apart."""
    size = pages.page_size
    hole = range(0xA0000 // size, 0x100000 // size)
    wrong = [
        number
        for number in range(pages.count)
        if number not in hole
        and pages.content(number) != held[number * size : (number + 1) * size]
    ]
    assert wrong == []


@contextmanager
def guest(recorder: Recorder, binary: str) -> Iterator[Qemu]:
    """Run pulse until it has filled its memory."""
    with qemu(binary, recorder.folder, "-machine", "q35", "-kernel", str(recorder.guest)) as vm:
        vm.hear("ready")
        yield vm


@contextmanager
def taken(
    recorder: Recorder, binary: str, *capabilities: str, waits: bool = True
) -> Iterator[tuple[Tee, str]]:
    """Run a destination that takes a stream, and runs the guest or not; what comes is kept."""
    here, there = recorder.folder / "here", recorder.folder / "there"
    for path in (here, there):
        path.unlink(missing_ok=True)
    options = ("-machine", "q35", "-kernel", str(recorder.guest), "-incoming", "defer")
    waiting = ("-S",) if waits else ()
    with qemu(binary, recorder.folder, *options, *waiting) as destination:
        capable(destination, *capabilities)
        if "multifd" in capabilities:
            parameters = {"multifd-channels": CHANNELS}
            destination.execute("migrate-set-parameters", **parameters)
        destination.execute("migrate-incoming", uri=f"unix:{there}")
        with tee(here, there) as between:
            yield between, f"unix:{here}"


def read(data: bytes) -> Feed:
    """Return what hands out what a connection brought."""
    return Feed(BytesIO(data).read)


def identical(stream: Stream) -> bool:
    """Whether a stream that is written from its parts is what was read."""
    return b"".join(written(stream)) == bytes(stream.data)


def test_plain(recorder: Recorder, newer_binary: str) -> None:
    """Of a running guest that is gone through again and again, the last copy of a page counts."""
    path = recorder.folder / "plain"
    with guest(recorder, newer_binary) as vm:
        vm.execute("migrate-set-parameters", **{"max-bandwidth": SLOWLY, "downtime-limit": 1})
        vm.execute("migrate", uri=f"exec:cat > {path}")
        passed_over(vm, PASSES)
        vm.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 2000})
        assert ended(vm) == "completed"
        held = memory(vm, recorder.folder)

    stream = parse(path.read_bytes())

    assert identical(stream)
    expect_same(Contents(stream).pages["pc.ram"], held)


def test_xbzrle(recorder: Recorder, newer_binary: str) -> None:
    """A page that is sent by what changed in it is put together from all that was sent of it."""
    path = recorder.folder / "xbzrle"
    with guest(recorder, newer_binary) as vm:
        capable(vm, "xbzrle")
        slow = {"max-bandwidth": SLOWLY, "downtime-limit": 1, "xbzrle-cache-size": 2 * SIZE}
        vm.execute("migrate-set-parameters", **slow)
        vm.execute("migrate", uri=f"exec:cat > {path}")
        passed_over(vm, PASSES)
        vm.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 2000})
        assert ended(vm) == "completed"
        held = memory(vm, recorder.folder)

    stream = parse(path.read_bytes())

    assert Flag.XBZRLE in {item.flag for item in stream.pages()}
    assert identical(stream)
    expect_same(Contents(stream).pages["pc.ram"], held)


def test_multifd(recorder: Recorder, newer_binary: str) -> None:
    """Pages that several connections brought are all there, each as it was sent last."""
    with taken(recorder, newer_binary, "multifd") as (between, uri):
        with guest(recorder, newer_binary) as vm:
            capable(vm, "multifd")
            slow = {"max-bandwidth": SLOWLY, "downtime-limit": 1, "multifd-channels": CHANNELS}
            vm.execute("migrate-set-parameters", **slow)
            vm.execute("migrate", uri=uri)
            passed_over(vm, PASSES)
            vm.execute(
                "migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 2000}
            )
            assert ended(vm) == "completed"
            held = memory(vm, recorder.folder)
        stream, channels = parse(between.main()), between.channels()

    assert len(channels) == CHANNELS
    assert identical(stream)
    for channel in channels:
        parts = (part for packet in packets(read(channel)) for part in packet.written())
        assert b"".join(parts) == channel
    expect_same(state.read(between.main(), channels).ram["pc.ram"], held)


@pytest.mark.parametrize("several", [(), ("multifd",)], ids=["alone", "multifd"])
def test_mapped_ram(recorder: Recorder, newer_binary: str, several: tuple[str, ...]) -> None:
    """A mapped-ram file holds what the guest's memory held, also behind a header that stays."""
    path, before = recorder.folder / "mapped", 8192
    path.unlink(missing_ok=True)
    with guest(recorder, newer_binary) as vm:
        capable(vm, "mapped-ram", *several)
        vm.execute("stop")
        vm.execute("migrate", uri=f"file:{path},offset={before}")
        assert ended(vm) == "completed"
        held = memory(vm, recorder.folder)

    stream = parse(path.read_bytes(), before)

    assert stream.capabilities == ("mapped-ram",)
    assert identical(stream)
    expect_same(Contents(stream).pages["pc.ram"], held)


def postcopy(
    recorder: Recorder, binary: str, *more: str, waits: bool = True
) -> tuple[State, bytes]:
    """Return the stream of a guest that goes on before its memory has come, and that memory."""
    names = ("postcopy-ram", *more)
    with taken(recorder, binary, *names, waits=waits) as (between, uri):
        with guest(recorder, binary) as vm:
            capable(vm, *names)
            vm.execute("migrate-set-parameters", **{"max-bandwidth": SLOWLY, "downtime-limit": 1})
            vm.execute("migrate", uri=uri)
            passed_over(vm, 2)
            vm.execute("migrate-start-postcopy")
            assert ended(vm) == "completed"
            held = memory(vm, recorder.folder)
        return state.read(between.main(), between.channels()), held


def test_postcopy(recorder: Recorder, every_binary: str) -> None:
    """A stream that is switched to postcopy is understood to its end, its package too."""
    stream = postcopy(recorder, every_binary)[0].stream

    commands = {section.name for section in stream.sections if section.name.isupper()}
    assert {"PACKAGED", "POSTCOPY_LISTEN", "POSTCOPY_RUN"} <= commands
    assert stream.named("cpu")
    assert stream.description is None
    assert identical(stream)


def test_memory_after_postcopy(recorder: Recorder, sound_binary: str) -> None:
    """What was thrown away and sent anew is what the guest's memory held."""
    found, held = postcopy(recorder, sound_binary)

    expect_same(found.ram["pc.ram"], held)


@pytest.mark.parametrize("build", ["7.2", "10.0", "11.1"])
def test_pages_that_were_waited_for(recorder: Recorder, build: str) -> None:
    """What came by a connection of its own, because the guest waited for it, is not missing."""
    found, _ = postcopy(recorder, fetched(build), "postcopy-preempt", waits=False)

    pages = found.ram["pc.ram"]
    assert len(found.channels) == 1
    assert [n for n in range(pages.count) if pages.content(n) is None] == []


@pytest.mark.parametrize("capability", ["", "xbzrle", "compress", "multifd"])
def test_older_builds(recorder: Recorder, older_binary: str, capability: str) -> None:
    """What builds write that lose pages under TCG is understood, and written back."""
    names = [capability] if capability else []
    with taken(recorder, older_binary, *names) as (between, uri):
        with guest(recorder, older_binary) as vm:
            capable(vm, *names)
            if capability == "multifd":
                vm.execute("migrate-set-parameters", **{"multifd-channels": CHANNELS})
            vm.execute("migrate", uri=uri)
            assert ended(vm) == "completed"
        stream, channels = parse(between.main()), between.channels()

    pages = Contents(stream, [memoryview(channel) for channel in channels]).pages["pc.ram"]
    assert identical(stream)
    assert all(pages.content(number) is not None for number in range(pages.count))
