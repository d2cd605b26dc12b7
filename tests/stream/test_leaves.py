# SPDX-License-Identifier: Apache-2.0
"""What QEMU writes of its devices is understood down to the last field, on every build."""

from __future__ import annotations

from itertools import pairwise

import pytest

from landfall.stream import Kind, Leaf, Stream, leaves, parse, written
from landfall.stream.described import UNDESCRIBED
from tests.stream.rig import Recorder

pytestmark = pytest.mark.qemu

DEVICES = [
    "virtio-net-pci", "e1000e", "qemu-xhci,id=xh", "usb-tablet,bus=xh.0", "virtio-serial-pci",
    "virtio-rng-pci", "VGA", "virtio-scsi-pci", "virtio-balloon-pci", "ich9-ahci", "e1000",
    "virtio-gpu-pci", "rtl8139", "megasas", "lsi53c895a", "tpci200", "vmxnet3", "sdhci-pci",
    "virtio-keyboard-pci", "i82550", "intel-hda", "pvpanic-pci" , "usb-ehci,id=eh",
    "usb-mouse,bus=eh.0", "virtio-net-pci,packed=on,mq=on", "pci-bridge,chassis_nr=3",
    "isa-serial", "ipmi-bmc-sim,id=b", "isa-ipmi-kcs,bmc=b",
]  # fmt: skip
NOT_IN_5_2 = {"pvpanic-pci"}
OPAQUE = {
    "virtio device", "virtio-gpu", "scsi-requests", "old style", "shpc",
}  # fmt: skip
"""Kinds of what is not taken apart: each is a device's own way to write."""


@pytest.fixture(params=["q35", "pc"])
def stream(request: pytest.FixtureRequest, recorder: Recorder, every_binary: str) -> Stream:
    """The stream of a machine with many devices."""
    known = [d for d in DEVICES if "/5.2/" not in every_binary or d not in NOT_IN_5_2]
    words = [word for device in known for word in ("-device", device)]
    return parse(recorder.stream(every_binary, request.param, *words))


def of_devices(stream: Stream) -> list[list[Leaf]]:
    """Return the leaves of each device."""
    return [leaves(stream, s) for s in stream.sections if s.kind is Kind.FULL]


def test_written_from_its_parts(stream: Stream) -> None:
    """A stream that is written from its parts is what QEMU wrote."""
    assert b"".join(written(stream)) == bytes(stream.data)


def test_leaves_leave_no_gap(stream: Stream) -> None:
    """Each byte of a device's state is in exactly one leaf."""
    for section in stream.sections:
        if section.items:
            continue
        found = leaves(stream, section)
        assert sum(leaf.size for leaf in found) == section.payload_end - section.payload
        assert all(a.offset + a.size == b.offset for a, b in pairwise(found))
        assert not found or found[0].offset == section.payload


def test_all_of_it_is_described(stream: Stream) -> None:
    """No byte of a device is without a name, and what is opaque is of a kind that is known."""
    kinds = {(leaf.kind, leaf.opaque) for found in of_devices(stream) for leaf in found}

    assert UNDESCRIBED not in {kind for kind, _ in kinds}
    assert {kind for kind, opaque in kinds if opaque} <= OPAQUE


def test_paths_are_told_apart(stream: Stream) -> None:
    """No two fields of a device have the same path."""
    for found in of_devices(stream):
        assert len({leaf.path for leaf in found}) == len(found)


def test_virtio_is_taken_apart(stream: Stream) -> None:
    """Of a virtio device on PCI each queue is told, and its bus's registers."""
    disk = next(s for s in stream.sections if s.name.endswith("/virtio-scsi"))
    found = {leaf.path: leaf.value for leaf in leaves(stream, disk)}

    assert found["virtio.queues[2].last_avail_idx"] == 0
    assert found["virtio.virtio_pci/modern_state.vq[0].enabled"] is False
    assert found["virtio.pci.config.vendor_id"] == 0x1AF4


def test_virtio_without_pci_is_opaque(recorder: Recorder, every_binary: str) -> None:
    """What a virtio device writes elsewhere is one field, named as what it is."""
    stream = parse(recorder.stream(every_binary, "microvm", "-device", "virtio-rng-device"))
    section = next(s for s in stream.sections if "virtio-rng" in s.name)

    assert [(leaf.kind, leaf.opaque) for leaf in leaves(stream, section)] == [("virtio", True)]


@pytest.mark.parametrize("machine", ["pc-i440fx-2.3"])
def test_machine_without_footers(recorder: Recorder, older_binary: str, machine: str) -> None:
    """A machine type of a time without footers is read by its description."""
    stream = parse(recorder.stream(older_binary, machine))

    assert not stream.has_footers
    assert b"".join(written(stream)) == bytes(stream.data)
    assert UNDESCRIBED not in {leaf.kind for found in of_devices(stream) for leaf in found}
