# SPDX-License-Identifier: Apache-2.0
"""A host's facts are what it told, and nothing is made up where it did not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from landfall import program
from landfall.errors import HarnessError
from landfall.facts import Facts, describe, differences, probe
from landfall.facts.uses import COMMANDS, ESSENTIAL, USES
from landfall.host import Completed, LocalHost
from landfall.hosts import Wanted, opened

MACHINES = Path(__file__).parent / "machines"
TWO = Path(__file__).parent / "hosts" / "two-loopback.toml"
ASKING = ("cat", "head", "id", "nproc", "od", "stat", "uname")
"""All that the question itself needs."""


class Told:
    """A host that answers with a text; those in `machines/` are written after real ones."""

    def __init__(self, name: str, output: str, status: int = 0, errors: str = "") -> None:
        self.name = name
        self.asked: list[tuple[str, ...]] = []
        self._answer = (status, output, errors)

    def run(
        self, argv: Sequence[str], _within: float, _cwd: Path | None = None, _stdin: str = ""
    ) -> Completed:
        """Return the answer."""
        self.asked.append(tuple(argv))
        return Completed(tuple(argv), *self._answer)


class Confined:
    """This machine, with nothing in PATH but some commands."""

    name = "confined"

    def __init__(self, host: LocalHost, folder: Path, commands: Sequence[str]) -> None:
        self._host, self._folder = host, folder
        for command in commands:
            found = shutil.which(command)
            if found:
                (folder / command).symlink_to(found)

    def run(
        self, argv: Sequence[str], within: float, cwd: Path | None = None, stdin: str = ""
    ) -> Completed:
        """Run a command that finds no others."""
        words = ["/usr/bin/env", "-i", f"PATH={self._folder}", *argv]
        return self._host.run(words, within, cwd, stdin)


def facts_of(machine: str) -> Facts:
    """Return the facts of a machine in `machines/`."""
    return probe(Told(machine, (MACHINES / f"{machine}.txt").read_text()))


def test_one_command_is_all_it_takes() -> None:
    """A host is asked once, in a shell's words, with the commands it is asked about."""
    host = Told("xeon", (MACHINES / "xeon.txt").read_text())

    probe(host, ["nc", "gpg"])

    [argv] = host.asked
    assert argv[:2] == ("/bin/sh", "-c")
    assert argv[3:] == ("sh", "nc", "gpg")


def test_intel() -> None:
    """An Intel server tells all there is, with a banner before it."""
    facts = facts_of("xeon")

    assert (facts.vendor, facts.family, facts.model, facts.stepping) == ("intel", 6, 106, 6)
    assert facts.model_name == "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz"
    assert (facts.microcode, facts.cpus, facts.page_size) == ("0xd0003d1", 128, 4096)
    assert (facts.memory, facts.memory_available) == (515465, 506846)
    assert (facts.temporary, facts.temporary_free) == ("/var/tmp", 458756)
    assert facts.distribution == "Red Hat Enterprise Linux 9.4 (Plow)"
    assert facts.kvm_opens
    assert (facts.nested, facts.is_virtual, facts.scales_tsc) == (True, False, True)
    assert {"constant_tsc", "vmx"} < facts.flags


def test_amd_whose_kvm_may_not_be_opened() -> None:
    """A /dev/kvm of somebody else's is there, does not open, and the shell's reason is told."""
    facts = facts_of("epyc")

    assert (facts.vendor, facts.family, facts.scales_tsc) == ("amd", 25, True)
    assert (facts.kvm_there, facts.kvm_opens) == (True, False)
    assert facts.kvm_trouble == (
        "/dev/kvm may not be opened by this user: Permission denied (crw-rw---- root:kvm)"
    )


def test_arm() -> None:
    """An ARM has no vendor's name and no flag for virtual machines; its pages may be large."""
    facts = facts_of("neoverse")

    assert (facts.vendor, facts.arch, facts.page_size) == ("arm", "aarch64", 65536)
    assert (facts.family, facts.model, facts.stepping) == (8, 0xD0C, 1)
    assert "asimd" in facts.flags
    assert (facts.is_virtual, facts.can_virtualize, facts.scales_tsc) == (None, None, None)
    assert (facts.model_name, facts.microcode, facts.nested) == ("", "", None)


def test_container_without_sys() -> None:
    """What stands in /sys and /dev is not known in a container without them; a uid may do."""
    facts = facts_of("container")

    assert (facts.kvm_there, facts.kvm_trouble) == (False, "/dev/kvm does not exist")
    assert (facts.clock_source, facts.nested, facts.is_virtual) == ("", None, True)
    assert (facts.user, facts.uid) == ("4242", 4242)


def test_old_kernel() -> None:
    """A 32-bit kernel without MemAvailable, os-release or nproc tells the rest."""
    facts = facts_of("old-kernel")

    assert (facts.vendor, facts.arch, facts.page_size) == ("CentaurHauls", "i686", 4096)
    assert (facts.memory, facts.memory_available, facts.cpus) == (1000, None, None)
    assert (facts.distribution, facts.microcode, facts.nested) == ("", "", False)


def test_busybox() -> None:
    """Where od and stat know little, the page size is smaps', and what is free is not known."""
    facts = facts_of("busybox")

    assert (facts.vendor, facts.page_size, facts.temporary_free) == ("HygonGenuine", 4096, None)
    assert (facts.distribution, facts.distribution_id) == ("Alpine Linux v3.20", "alpine")
    assert facts.kvm_trouble.endswith("No such device")


@pytest.mark.parametrize(
    ("said", "cpus"), [("64", 64), ("0", 1), ("0-63", 64), ("0-3,8,10-11", 7), ("all", None)]
)
def test_number_of_processors(said: str, cpus: int | None) -> None:
    """Where there is no nproc, those that are online are counted."""
    told = f"%%facts architecture\nx86_64\n\n%%facts processors\n{said}\n\n%%facts end\n"

    assert probe(Told("alpha", told)).cpus == cpus


def test_selectors_know_what_was_told() -> None:
    """What a selector may name is there with its type, and what was not told is not."""
    xeon, arm = facts_of("xeon").selectable(), facts_of("neoverse").selectable()

    assert (xeon["vendor"], xeon["kvm"], xeon["arch"]) == ("intel", True, "x86_64")
    assert (xeon["memory"], xeon["host"]) == (515465, "xeon")
    assert {"avx2", "vmx"} < set(xeon["flag"])  # type: ignore[arg-type]
    assert {"nested", "virtual", "microcode"} & arm.keys() == set()


def test_facts_are_json() -> None:
    """The facts go into results.json, and the flags are in order."""
    plain = json.loads(json.dumps(facts_of("epyc").plain()))

    assert plain["vendor"] == "amd"
    assert plain["flags"] == sorted(plain["flags"])
    assert plain["kvm_opens"] is False


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("", 127, "sh: not found"), "'sh: not found'"),
        (("\n%%facts begin\n\n%%facts architecture\nx86_64\n", 1, ""), "status 1"),
        (("\n%%facts architecture\n\n%%facts end\n", 0, ""), "install coreutils"),
    ],
    ids=["no-shell", "half", "no-uname"],
)
def test_host_that_cannot_tell(answer: tuple[str, int, str], words: str) -> None:
    """A host whose answer is not whole is an error in one line that names it."""
    with pytest.raises(HarnessError, match="host alpha ") as raised:
        probe(Told("alpha", *answer))

    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("garbage", ["", "\0\0", "::::\n\n:", "06 0x", "KernelPageSize: x kB"])
def test_garbage_is_nothing_known(garbage: str) -> None:
    """Whatever a section holds, the facts are empty, and no error and no guess."""
    names = ("cpuinfo", "page", "memory", "distribution", "free", "nested", "uid", "processors")
    output = "".join(f"\n%%facts {name}\n{garbage}\n" for name in names)

    facts = probe(Told("alpha", f"\n%%facts architecture\nx86_64\n{output}\n%%facts end\n"))

    told = (facts.vendor, facts.page_size, facts.memory, facts.temporary_free, facts.nested)
    assert told == ("", None, None, None, None)
    assert (facts.uid, facts.cpus, facts.flags) == (None, None, frozenset())


def test_this_machine(host: LocalHost) -> None:
    """What this machine tells is what Python knows of it."""
    facts = probe(host)

    assert facts.arch == os.uname().machine
    assert facts.kernel == os.uname().release
    assert (facts.page_size, facts.uid) == (os.sysconf("SC_PAGE_SIZE"), os.getuid())
    assert facts.cpus == len(os.sched_getaffinity(0))
    assert facts.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert facts.kvm_there == Path("/dev/kvm").exists()
    assert Path(facts.temporary) == host.private.parent
    assert facts.commands == {name for name in COMMANDS if shutil.which(name, path=program.PATHS)}


def test_coreutils_are_enough(host: LocalHost, tmp_path: Path) -> None:
    """With nothing but seven coreutils in PATH a host tells as much as with all."""
    confined = probe(Confined(host, tmp_path, ASKING), ASKING)

    free = probe(host, ASKING)
    told = ("arch", "user", "flags", "cpus", "page_size", "memory", "kvm_opens", "kvm_trouble")
    assert {name: getattr(confined, name) for name in told} == {
        name: getattr(free, name) for name in told
    }
    assert confined.commands == frozenset(ASKING)


def test_host_behind_ssh(host: LocalHost) -> None:
    """A host behind ssh, with sh and coreutils only, tells of the same machine the same."""
    near = probe(host)
    with opened(Wanted(inventory=str(TWO)), host) as pair:
        far = probe(pair.source)

    own = {"host", "commands", "temporary", "temporary_free", "memory_available", "bogomips"}
    assert {k: v for k, v in far.plain().items() if k not in own} == {
        k: v for k, v in near.plain().items() if k not in own
    }
    assert far.host == "alpha"
    assert set(ESSENTIAL) <= far.commands
    assert "python3" not in far.commands
    assert differences(near, far) == ()


def test_doctor_tells_what_is_missing() -> None:
    """A command that is missing is told with what is unable without it, and what to install."""
    lines = [" ".join(line.split()) for line in describe(facts_of("epyc"))]

    assert (
        "ok host epyc Debian GNU/Linux 12 (bookworm), Linux 6.1.0-18-amd64, x86_64, user qualifier"
    ) in lines
    assert "NO epyc: nc not there; scenarios with gpg-nc are unable" in lines
    assert "-> install netcat-openbsd on epyc" in lines
    assert "-> let qualifier open it, as members of its group may; TCG is used" in lines


def test_doctor_of_a_poor_host() -> None:
    """Little memory, no KVM and a command of coreutils' that is missing are told, each once."""
    container = [" ".join(line.split()) for line in describe(facts_of("container"))]
    old = [" ".join(line.split()) for line in describe(facts_of("old-kernel"))]

    assert "NO container: memory 913 of 15701 MiB available" in container
    assert "NO container: /dev/kvm /dev/kvm does not exist" in container
    assert any("switch that on by the host that it runs on" in line for line in container)
    assert "NO old-kernel: coreutils timeout: not there; nothing can run on this host" in old
    untold = "it does not tell how much is available; it has 1000 MiB in all"
    assert f"ok old-kernel: memory {untold}" in old


def test_doctor_of_a_whole_host() -> None:
    """Of a host that has everything there is no bad word."""
    assert [line for line in describe(facts_of("xeon")) if not line.startswith("ok ")] == []


def test_programs_that_streams_pass_are_asked_about() -> None:
    """Each program that a scenario needs is one that a host is asked about, with its package."""
    programs = [one for one in vars(program).values() if isinstance(one, program.Program)]
    needed = {(need.command, need.package) for one in programs for need in one.needs}

    needed |= {("unshare", "util-linux"), ("mount", "mount")}  # small_disk.NEEDED
    needed |= {("qemu-nbd", "qemu-utils")}  # storage.nbd

    assert needed == {(use.command, use.package) for use in USES}
    assert len(set(COMMANDS)) == len(COMMANDS)
    assert set(ESSENTIAL) < set(COMMANDS)
