# SPDX-License-Identifier: Apache-2.0
"""The lab: what it can have, what it says where it cannot be, and where its hosts are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.errors import UsageError
from landfall.fetch import FetchedBuild
from landfall.inventory.reading import parse
from landfall.lab import command, description, emulator, image, inventory, network
from landfall.lab.keys import Keys

NOBODY = 65534
NETWORK = "10.217.9"
IMAGE = image.Image(Path("/k/vmlinux"), Path("/c/initramfs"), "0123")
QEMU = emulator.QEMU(Path("/q/bin/qemu-system-x86_64"), "10.0.2")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Be a user without rights for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """Keys of every host, which open nothing."""
    for name in description.known(description.folder()):
        (tmp_path / f"host_{name}.pub").write_text("ssh-ed25519 AAAA\n")
    return Keys(tmp_path)


def test_every_host_has_a_place_of_its_own() -> None:
    """No two hosts share an address or a network card's."""
    hosts = description.known(description.folder()).values()

    assert {"amd", "amd2"} <= {host.name for host in hosts}
    assert len({host.mac for host in hosts}) == len(hosts)
    assert all(1 < host.number < network.OURS for host in hosts)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["up", "--hosts", "amd,vax"], "no host 'vax'; there are amd, amd2"),
        (["up", "--hosts", ","], "name some of amd, amd2"),
        (["up", "--for", "-1"], "give minutes, or 0 for no end"),
        (["up", "--for", "long"], "invalid float value: 'long'"),
        (["sideways"], "invalid choice: 'sideways'"),
    ],
    ids=["host", "none", "negative", "words", "action"],
)
def test_bad_argument_is_one_line(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is wrong with an argument is told, and nothing is made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(UsageError, match=r"^[^\n]+$") as refused:
        command.main(words, None)

    assert told in str(refused.value)
    assert not (tmp_path / "landfall/lab/up").exists()


@pytest.mark.usefixtures("unprivileged")
def test_who_is_not_root_is_told_what_is_missing() -> None:
    """Without root one line says what is missing, and what root is needed for."""
    with pytest.raises(UsageError, match=r"missing: root .* namespace, its taps and the link"):
        network.expect_rights()


def test_a_lab_that_is_not_up_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status and down of no lab say so and are no error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert command.main(["status"], None) == 0
    assert command.main(["down"], None) == 0
    assert capsys.readouterr().out == "no lab is up\nno lab was up\n"


def test_inventory_is_one_that_can_be_read(keys: Keys) -> None:
    """What is written of hosts is an inventory: strict about keys, with builds and labels."""
    build = FetchedBuild("10.0", "10.0.2", "suite", QEMU.binary, ())
    hosts = description.chosen("amd,amd2", description.folder())

    text = inventory.text(hosts, NETWORK, keys, [build], Path("/known"))

    told = parse(text, "lab", Path("/"))
    assert (told.source, told.destination) == ("amd", "amd2")
    amd = told.hosts["amd"]
    assert (amd.address, amd.user, amd.host_keys) == (f"{NETWORK}.11", "root", "strict")
    assert amd.qemu == {"10.0": Path("/opt/qemu-10.0/bin/qemu-system-x86_64")}
    assert amd.labels == ("lab", "amd", "qemu")
    assert inventory.known_hosts(hosts, NETWORK, keys).startswith(f"{NETWORK}.11 ssh-ed25519 ")


def test_emulated_amd_has_svm() -> None:
    """An AMD host is emulated by TCG, with SVM, and its kernel is told who it is."""
    (host,) = description.chosen("amd", description.folder())

    argv = QEMU.argv(emulator.Boot(host, IMAGE, f"{NETWORK}.11"))

    assert "svm=on" in argv[argv.index("-cpu") + 1]
    assert argv[argv.index("-accel") + 1].startswith("tcg")
    assert f"lab.name=amd lab.address={NETWORK}.11/24" in argv[argv.index("-append") + 1]
