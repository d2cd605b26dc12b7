# SPDX-License-Identifier: Apache-2.0
"""What QEMU writes is understood, build by build and machine by machine."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landfall.stream import Flag, Kind, StreamError, is_whole, parse
from tests.stream.rig import Recorder
from tests.stream.understood import is_as_it_should_be, understood

pytestmark = pytest.mark.qemu

MACHINES = ["q35", "pc", "microvm"]
DEVICES = [
    "virtio-net-pci", "e1000e", "qemu-xhci", "usb-tablet", "virtio-serial-pci",
    "virtio-rng-pci", "VGA", "virtio-scsi-pci", "virtio-balloon-pci", "nec-usb-xhci,id=x",
]  # fmt: skip
MANY_DEVICES = [word for device in DEVICES for word in ("-device", device)]


@pytest.fixture(params=[*MACHINES, *(f"{machine}-pulse" for machine in MACHINES), "devices"])
def data(request: pytest.FixtureRequest, recorder: Recorder, binary: str) -> bytes:
    """A recorded stream: a machine without a guest, with pulse, or with many devices."""
    machine, _, guest = str(request.param).partition("-")
    if guest:
        return recorder.with_guest(binary, machine)
    if machine == "devices":
        return recorder.stream(binary, "q35", *MANY_DEVICES)
    return recorder.stream(binary, machine)


def test_identity(data: bytes) -> None:
    """A real stream is written back unchanged, and its sections and items leave no gap."""
    stream = parse(data)
    written = BytesIO()
    stream.write(written)

    starts = [section.start for section in stream.sections]
    assert written.getvalue() == data
    assert starts == [stream.header_end, *(section.end for section in stream.sections[:-1])]
    assert stream.sections[-1].end == len(data)
    pages = [section for section in stream.sections if section.items]
    offsets = [item.offset for section in pages for item in section.items]
    ends = [n for s in pages for n in (s.payload, *(item.end for item in s.items[:-1]))]
    assert offsets == ends


def test_description_is_right(data: bytes) -> None:
    """The description tells the exact length of every device's state."""
    stream = parse(data)

    assert stream.description is not None
    devices = [section for section in stream.sections if section.kind == Kind.FULL]
    told = [stream.description.size(device.name, device.instance) for device in devices]
    assert told == [device.payload_end - device.payload for device in devices]


def test_description_can_be_missed(data: bytes) -> None:
    """Without its description a stream has the same sections."""
    described = parse(data)

    stream = parse(data[: described.sections[-1].start])

    ends = [section.end for section in described.sections[:-1]]
    assert [section.end for section in stream.sections] == ends


def test_whole_at_the_end(data: bytes) -> None:
    """A relay knows a stream's end, and takes no other place for it."""
    assert is_whole(data[-(1 << 20) :])
    assert not is_whole(data[-(1 << 20) : -1])


def test_all_memory_is_sent(recorder: Recorder, binary: str) -> None:
    """Every page of every block is sent at least once."""
    stream = parse(recorder.with_guest(binary, "q35"))

    sent = {(item.block, item.address) for item in stream.pages() if item.block}
    assert {Flag.PAGE, Flag.ZERO} <= {item.flag for item in stream.pages()}
    assert len(sent) == sum(-(-block.used_length // 4096) for block in stream.blocks)


@pytest.mark.parametrize("machine", ["q35,suppress-vmdesc=on", "pc,suppress-vmdesc=on"])
def test_suppressed_description(recorder: Recorder, binary: str, machine: str) -> None:
    """A stream without a description is read, though its tail does not say that it is whole."""
    data = recorder.stream(binary, machine)

    stream = parse(data)

    assert stream.description is None
    assert stream.named("globalstate")
    assert not is_whole(data)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_damaged(recorder: Recorder, binary: str, place: float, value: int) -> None:
    """A real stream of which a byte was changed is a stream or a StreamError."""
    data = bytearray(recorder.stream(binary, "microvm"))
    data[int(place * len(data))] = value

    assert is_as_it_should_be(understood(bytes(data)))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True))
def test_cut(recorder: Recorder, binary: str, place: float) -> None:
    """A real stream that was cut is refused."""
    data = recorder.stream(binary, "microvm")

    with pytest.raises(StreamError):
        parse(data[: int(place * len(data))])
