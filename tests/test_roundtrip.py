# SPDX-License-Identifier: Apache-2.0
"""Round trips of devices: how each is made, why some are not, and how that is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.errors import UsageError
from landfall.host import LocalHost
from landfall.reactor import Reactor
from landfall.roundtrip import told
from landfall.roundtrip.comparing import may_differ, sentence
from landfall.roundtrip.listing import Listed, parsed
from landfall.roundtrip.markdown import as_markdown
from landfall.roundtrip.row import Row
from landfall.roundtrip.setup import Rules, Special, rules
from landfall.roundtrip.table import COMBINATION, Table
from landfall.roundtrip.trip import Trips
from landfall.state import Difference
from landfall.verdict import Verdict
from tests.test_known import GUILTY, SOUND

LIST = """\
Storage devices:
name "scsi-hd", bus SCSI, desc "virtual SCSI disk"
name "nvdimm", desc "DIMM memory module"

Misc devices:
name "scsi-hd", bus SCSI, desc "virtual SCSI disk"
name "EPYC-x86_64-cpu"
"""
DISK = "Node name or ID of a block device to use as a backend"
CHARDEV = "ID of a chardev to use as a backend"


def options(name: str, bus: str = "", properties: Mapping[str, str] | None = None) -> str:
    """Return QEMU's options for a device, as one text."""
    setup = rules().setup(Listed(name, bus, "", properties or {}))
    return " ".join(setup.argv(setup.type))


# -- how a device is made ---------------------------------------------------


def test_list_is_read_whole_and_each_device_once() -> None:
    """A device that QEMU lists under two headings is one row, under the first."""
    found = list(parsed(LIST))

    assert [(one.name, one.bus, one.category) for one in found] == [
        ("scsi-hd", "SCSI", "Storage"),
        ("nvdimm", "", "Storage"),
        ("EPYC-x86_64-cpu", "", "Misc"),
    ]


def test_bus_and_backend_follow_from_the_list() -> None:
    """What a device is plugged into, and what is behind it, is told before it."""
    argv = options("scsi-hd", "SCSI", {"drive": DISK, "lun": "uint32"})

    bus, disk, device = map(argv.index, ("virtio-scsi-pci", "-blockdev", "-device scsi-hd"))
    assert bus < device
    assert disk < device
    assert argv.endswith("scsi-hd,id=landfall,drive=drive")


def test_each_property_has_a_backend_of_its_own() -> None:
    """A device with two character devices is given two."""
    argv = options("pci-serial-2x", "PCI", {"chardev1": CHARDEV, "chardev2": CHARDEV})

    assert argv.count("-chardev null") == 2
    assert argv.endswith("chardev1=chardev1,chardev2=chardev2")


def test_special_entry_has_what_does_not_follow() -> None:
    """A CPU goes into a machine of its own model, that has room for it; a DIMM needs slots."""
    assert "-cpu EPYC " in options("EPYC-x86_64-cpu")
    assert "slots=2" in options("nvdimm")
    assert "-machine microvm" in options("virtio-rng-device", "virtio-bus")


def test_property_that_must_stay_bare_does() -> None:
    """What a daemon would serve is not served by nothing."""
    assert "-chardev" not in options("vhost-user-blk-pci", "PCI", {"chardev": CHARDEV})


def test_machine_type_is_the_versioned_one_where_one_is_given() -> None:
    """Between two builds the machine is the older one's, with its properties."""
    setup = rules().setup(Listed("nvdimm", "", "", {}))

    assert "pc-q35-7.2,nvdimm=on" in setup.argv("pc-q35-7.2")


def test_reason_is_found_by_the_words() -> None:
    """QEMU's words have one meaning for a device, and words that nobody knows have none."""
    known = rules()

    assert "vhost-user" in known.why("vhost-user-fs-pci", "missing chardev")
    assert known.why("e1000", "missing chardev") == ""
    assert known.why("vhost-user-fs-pci", "out of luck") == ""


def test_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A table with a mistake is named."""
    table = tmp_path / "setups.toml"
    table.write_text('machine = "q35"\n')

    with pytest.raises(UsageError, match=r"setups\.toml"):
        rules(table)


def test_no_entry_of_the_table_is_behind_one_that_matches_all_of_it() -> None:
    """The first entry that matches counts: one that never can is a mistake."""
    seen: list[Special] = []
    for special in rules().specials:
        hidden = [name for name in special.devices for one in seen if name in one.devices]
        assert hidden == []
        seen.append(special)


# -- what is told -----------------------------------------------------------


def difference(**changes: object) -> Difference:
    """Return a difference."""
    plain = Difference("hpet", 0, "config", "0", "1")
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (difference(), "hpet: config was 0, is 1"),
        (difference(instance=2, path="x"), "hpet 2: x was 0, is 1"),
        (difference(kind="only-in-first", path=""), "hpet was sent, and is gone: 0"),
        (difference(kind="only-in-second"), "hpet: config was not sent, and is there: 1"),
    ],
)
def test_difference_is_a_sentence(one: Difference, said: str) -> None:
    """A difference says whose it is, and what it was and is."""
    assert sentence(one) == said


def test_only_another_build_may_say_more() -> None:
    """What is there and was not sent is a deviation, unless another build knows more to say."""
    more = difference(kind="only-in-second")

    assert not may_differ(more)
    assert may_differ(more, by_another=True)
    assert not may_differ(difference(), by_another=True)
    assert not may_differ(difference(kind="only-in-first"), by_another=True)


def test_clock_of_a_guest_may_be_told_its_page() -> None:
    """RAM differs where may_differ.toml has the block, and nowhere else."""
    assert may_differ(difference(device="ram", path="vmclock_page 0x0..0x1000"))
    assert not may_differ(difference(device="ram", path="pc.ram 0x0..0x1000"))


def row(device: str, verdict: Verdict, **more: object) -> Row:
    """Return a row."""
    return replace(Row(device, "PCI", "Misc", verdict), **more)  # type: ignore[arg-type]


ROWS = (
    row("good", Verdict.KEPT, sections=("good 0",)),
    row("silent", Verdict.KEPT),
    row("lost", Verdict.BROKEN, words=tuple(f"lost: {n} was 0, is 1" for n in range(7))),
    row("seen", Verdict.KNOWN, reason="seen-before: QEMU loses it", words=("seen: gone",)),
    row("away", Verdict.UNABLE, reason="needs KVM", words=("no KVM",)),
)
TABLE = Table(GUILTY, GUILTY, ROWS, (row("both", Verdict.KEPT, category=COMBINATION),))


def test_text_accounts_for_the_whole_list() -> None:
    """What made the trip and what has its reason are together all of it."""
    text = list(told.as_text(TABLE))

    joined = " ".join(line.strip() for line in text)
    assert "5 devices of -device help: 1 broken, 1 known, 1 unable, 2 kept;" in joined
    assert "4 made the trip (80 %), 1 did not and have their reason, together 5" in joined
    assert "1 combinations of devices: 1 kept" in joined


def test_text_tells_the_gravest_first() -> None:
    """What broke is told with what was seen, a handful of it; what is silent has a star."""
    text = "\n".join(told.as_text(TABLE))

    assert text.index("BROKEN 1") < text.index("KNOWN 1") < text.index("UNABLE 1")
    assert "lost: 4 was 0, is 1\n    and 2 more of this kind" in text
    assert "away: no KVM" in text
    assert "good, silent*, both" in text


def test_markdown_has_a_row_for_each_that_was_not_kept() -> None:
    """A document has the reason of each device, and lists those that were kept."""
    text = list(as_markdown(TABLE))

    assert "| away | needs KVM | no KVM |" in text
    assert "* Misc (2): good, silent*" in text
    assert sum(line.startswith("| ") for line in text) == 3 + 3


def test_json_has_all_of_it() -> None:
    """A program is told every row, with all that was seen."""
    document = json.loads(told.as_json(TABLE))

    assert [one["verdict"] for one in document["devices"]] == [
        "kept", "kept", "broken", "known", "unable",
    ]  # fmt: skip
    assert len(document["devices"][2]["words"]) == 7


# -- the register -----------------------------------------------------------


@pytest.fixture
def trips(reactor: Reactor) -> Trips:
    """Round trips of a build that has bugs which are known."""
    nothing = Rules("", "", {}, {}, (), (), ())
    return Trips(GUILTY, GUILTY, nothing, reactor)


CRASH = "QEMU ended with SIGSEGV while it was saved; it said: nothing"
SOUND_ALONE = replace(SOUND, version="99.0.0")


def test_known_bug_is_known_by_its_device_and_words(trips: Trips) -> None:
    """A row that the register has is *known*; one of another device or build is not."""
    crashed = row("pci-serial-2x", Verdict.BROKEN, words=(CRASH,))

    assert trips._excused(crashed).verdict is Verdict.KNOWN
    assert trips._excused(replace(crashed, device="e1000")).verdict is Verdict.BROKEN
    assert trips._excused(replace(crashed, words=("lost",))).verdict is Verdict.BROKEN
    elsewhere = replace(trips, source=SOUND_ALONE, destination=SOUND_ALONE)
    assert elsewhere._excused(crashed).verdict is Verdict.BROKEN


def test_no_known_bug_excuses_what_was_filtered(trips: Trips) -> None:
    """What passed a command of the user's is judged as it is."""
    crashed = row("pci-serial-2x", Verdict.BROKEN, words=(CRASH,))

    assert replace(trips, through="cat")._excused(crashed).verdict is Verdict.BROKEN


def test_machine_without_versions_is_no_common_one(trips: Trips, host: LocalHost) -> None:
    """Between two builds a device of microvm is *unable*: nothing promises that it is the same."""
    both = {"q35": "q35", "microvm": "microvm"}
    source, destination = (replace(one, machines=both) for one in (GUILTY, SOUND))
    apart = replace(trips, source=source, destination=destination, rules=rules())
    setup = rules().setup(Listed("virtio-rng-device", "virtio-bus", "", {}))

    told_of = apart.go(Row("virtio-rng-device"), setup, host.private)

    assert told_of.verdict is Verdict.UNABLE
    assert "has no versions" in told_of.reason
