# SPDX-License-Identifier: Apache-2.0
"""A file of hosts is understood, and everything wrong with it is told at once, line by line."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import UsageError
from landfall.inventory.command import EXAMPLE
from landfall.inventory.entry import LOCAL, HostEntry, Inventory
from landfall.inventory.mistakes import mistakes
from landfall.inventory.reading import alias, load, parse
from landfall.inventory.selector import Selector
from landfall.inventory.table import HostTable, schema
from landfall.inventory.written import document

FOLDER = Path("/inventories")
WHOLE = (
    "ssh", "port", "user", "key", "agent", "known_hosts", "host_keys", "proxy_command", "address",
    "address6", "qemu", "memory", "pairs", "leases", "labels", "shared", "connect_timeout",
)  # fmt: skip
"""Every key that a host may have."""
MANY = """\
source = "vendor=amd,!kvm=x"
colour = "red"

[hosts.alpha]
ssh = "root@alpha"
prot = 22
port = 99999
labels = [
  "good",
  "not good",
]
qemu = { mine = "qemu/build" }
hosts.local.memory = 0
"""
TOLD = [
    "file:1: source: selector 'vendor=amd,!kvm=x': '!kvm=x' is no condition",
    "file:2: colour: there is no such key, the nearest is source; there are source, destination",
    'file:5: hosts.alpha.ssh: "root@alpha" is no address: who logs in is said by user',
    "file:6: hosts.alpha.prot: there is no such key, the nearest is port; there are ssh, port",
    "file:7: hosts.alpha.port: 99999 is not allowed: TCP port of its ssh server, 1 to 65535",
    'file:10: hosts.alpha.labels.1: "not good" is not allowed: array of words',
    'file:12: hosts.alpha.qemu.mine: "qemu/build" is not absolute',
    "file:13: hosts.alpha.hosts: there is no such key",
]
OF_SHAPE = [
    pytest.param("hosts = 3", "file:1: hosts: 3 is not allowed: tables", id="hosts"),
    pytest.param("hosts.a = 4", "file:1: hosts.a: 4 is not allowed: tables", id="host"),
    pytest.param("made_by = []", "made_by: [] is not allowed: array of words", id="made-by"),
    pytest.param("made_by = [1]", "made_by.0: 1 is not allowed: array of words", id="argument"),
    pytest.param('[hosts."a b"]', '"a b" is no name: tables', id="name"),
    pytest.param("[hosts.a]\nqemu = 3", "file:2: hosts.a.qemu: 3 is not allowed", id="qemu"),
    pytest.param('[hosts.a]\nqemu."b c" = "/q"', '"b c" is no name: table', id="build"),
    pytest.param(
        '[hosts.a]\nssh = "b"\nagent = 1', "agent: 1 is not allowed: true or false", id="agent"
    ),
    pytest.param(
        '[hosts.a]\nssh = "b"\nagent = "yes"', '"yes" is not allowed: true or false', id="yes"
    ),
    pytest.param(
        '[hosts.a]\nssh = "b"\nport = "22"', 'port: "22" is not allowed: TCP port', id="port"
    ),
    pytest.param(
        '[hosts.a]\nssh = "b"\nport = true', "port: true is not allowed: TCP port", id="true"
    ),
    pytest.param(
        '[hosts.a]\nssh = "b"\nhost_keys = "off"', '"off" is not allowed: "strict"', id="off"
    ),
    pytest.param("[hosts.a]\nmemory = 0", "memory: 0 is not allowed: whole number", id="memory"),
    pytest.param("[hosts.a]\npairs = 1.5", "pairs: 1.5 is not allowed: whole", id="pairs"),
    pytest.param('[hosts.a]\nlabels = "x"', 'labels: "x" is not allowed: array', id="labels"),
    pytest.param('[hosts.a]\nshared = "x"', 'shared: "x" is not allowed: absolute', id="shared"),
    pytest.param(
        '[hosts.a]\nssh = "b"\nconnect_timeout = 0', "0 is not allowed: seconds", id="timeout"
    ),
    pytest.param(
        '[hosts.a]\nssh = "b"\nuser = "-l"', 'user: "-l" is not allowed: name', id="user"
    ),
    pytest.param('[hosts.a]\nssh = "b"\nkey = ""', 'key: "" is not allowed: path', id="key"),
    pytest.param("[hosts.a]\nssh = 3", "ssh: 3 is not allowed: address", id="ssh"),
]
OF_SENSE = [
    pytest.param('[hosts.a]\nssh = "b:22"', "the port is said by port", id="port-in-address"),
    pytest.param('[hosts.a]\nssh = "[::1]"', "IPv6 without brackets", id="brackets"),
    pytest.param('[hosts.a]\nssh = "-oX"', '"-oX" is no address; give', id="option"),
    pytest.param('[hosts.a]\naddress = "a b"', '"a b" is no address; give', id="address"),
    pytest.param("[hosts.a]\nport = 1", "file:2: hosts.a.port: it says nothing", id="no-ssh"),
    pytest.param('[hosts.local]\nssh = "a"', "give another name", id="local-ssh"),
    pytest.param('[hosts.local]\nuser = "a"', "local is not reached by ssh", id="local-user"),
    pytest.param('made_by = ["a"]\n[hosts.a]', "file:2: hosts: made_by says", id="both"),
    pytest.param('destination = "a,,b"', "file:1: destination: selector", id="destination"),
]
NO_TOML = [
    pytest.param("a = 1\nb = \n", "file:2: no TOML: invalid value", id="value"),
    pytest.param("a = 1\na = 2", "file:2: no TOML: cannot overwrite a value", id="twice"),
    pytest.param('a = 1\nb = "', "file:2: no TOML: ", id="end"),
    pytest.param("[hosts.a\n", "file:1: no TOML: ", id="table"),
    pytest.param(f"a = {'[' * 9999}", "file:1: arrays in arrays, too deep", id="deep"),
]
VALUES = st.recursive(
    st.sampled_from([0, 1, 22, 1.5, True, "a", "/a", "a b", "", "strict"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=3,
)
TABLES = st.dictionaries(st.sampled_from([*WHOLE, "x"]), VALUES, max_size=4)
HOSTS = st.dictionaries(st.sampled_from(["a", LOCAL, "a b", "a.b"]), TABLES, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"source": VALUES, "made_by": VALUES, "x": VALUES, "hosts": HOSTS}
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it that was not put there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def refusal(text: str) -> str:
    """Return what is told of a file that is wrong."""
    with pytest.raises(UsageError) as refused:
        parse(text, "file", FOLDER)
    return str(refused.value)


def host(table: str) -> HostEntry:
    """Return what a host's table means."""
    return parse(f"[hosts.a]\n{table}", "file", FOLDER).entry("a")


def test_example_says_all_that_can_be_said() -> None:
    """The example loads, and has every key that a host may have."""
    example = load(EXAMPLE)
    tables = tomllib.loads(EXAMPLE.read_text())["hosts"]

    assert set(example.hosts) == {"alpha", "beta", LOCAL}
    assert set(WHOLE) == set(HostTable.model_fields) == set(tables["beta"])
    assert example.pick(example.source or "") == example.entry("alpha")
    assert example.pick(example.destination or "") == Selector.parse("label=rack2,!virtual")


def test_schema_takes_the_example() -> None:
    """An editor with our schema has nothing to say against our example."""
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(tomllib.loads(EXAMPLE.read_text()), schema())


def test_all_mistakes_are_told_at_once() -> None:
    """A file with many mistakes is refused with a line for each, in its order."""
    lines = refusal(MANY).splitlines()

    assert len(lines) == len(TOLD)
    assert [line[: len(told)] for line, told in zip(lines, TOLD, strict=True)] == TOLD


@pytest.mark.parametrize(("text", "told"), [*OF_SHAPE, *OF_SENSE, *NO_TOML])
def test_mistake_is_told_in_a_line(text: str, told: str) -> None:
    """Each mistake is a line with file, line, key, what is wrong and what is allowed."""
    line = refusal(text)

    assert told in line
    assert line.startswith("file:")
    assert "\n" not in line


@pytest.mark.parametrize(("text", "told"), OF_SHAPE)
def test_schema_refuses_what_we_refuse(text: str, told: str) -> None:
    """What is wrong in its shape is marked by an editor that has our schema."""
    assert told
    assert not jsonschema.Draft202012Validator(schema()).is_valid(tomllib.loads(text))


@given(DOCUMENTS)
def test_whatever_is_written_is_taken_or_told(data: dict[str, Any]) -> None:
    """A document is an inventory, or every line that is told of it leads into it."""
    text = document(data)
    last = text.count("\n") + 1

    wrong = mistakes(tomllib.loads(text))

    if not wrong:
        assert LOCAL in parse(text, "file", FOLDER).hosts
    for line in refusal(text).splitlines() if wrong else ():
        assert line.startswith("file:")
        assert 1 <= int(line.split(":")[1]) <= last


def test_least_is_an_address() -> None:
    """Of a host whose address is given, the rest is what ssh would do."""
    entry = host('ssh = "a.example"')

    assert entry == HostEntry(
        name="a",
        ssh="a.example",
        hostname="a.example",
        known_hosts=(Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")),
        address="a.example",
    )
    assert (entry.port, entry.agent, entry.host_keys) == (22, True, "strict")


def test_paths_start_in_the_inventorys_folder() -> None:
    """A path of the runner's is from the inventory's folder, or from home; one there is theirs."""
    entry = host('ssh = "b"\nkey = "keys/one"\nknown_hosts = "~/known"\nqemu.x = "/opt/q"')

    assert entry.keys == (FOLDER / "keys/one",)
    assert entry.known_hosts == (Path.home() / "known",)
    assert entry.qemu == {"x": Path("/opt/q")}
    assert host('qemu.x = "build"').qemu == {"x": FOLDER / "build"}
    assert host('ssh = "b"\nkey = "~root/k"').keys == (Path("~root/k").expanduser(),)
    assert host('ssh = "b"\nkey = "~no.one/k"').keys == (FOLDER / "~no.one/k",)


@pytest.mark.parametrize(("said", "tried"), [("", False), ("agent = true", True)])
def test_agent_is_not_asked_where_a_key_is_named(said: str, tried: bool) -> None:  # noqa: FBT001 - a value
    """Where a key is named, ssh-agent's are tried only if that is said."""
    assert host(f'ssh = "b"\nkey = "k"\n{said}').agent is tried


def test_runners_machine_is_always_there() -> None:
    """The runner's own machine needs no entry, and takes limits."""
    assert parse("", "file", FOLDER).entry(LOCAL).is_local
    assert parse("[hosts.local]\nmemory = 512", "file", FOLDER).entry(LOCAL).memory == 512


def test_host_that_is_not_there_is_told_with_those_that_are() -> None:
    """Whoever asks for another host learns which there are."""
    inventory = parse("[hosts.a]\n[hosts.b]", "file", FOLDER)

    with pytest.raises(UsageError, match=r"file: there is no host 'c'; there are local, a, b"):
        inventory.entry("c")


def test_word_is_a_host_before_it_is_a_selector() -> None:
    """A word that names a host means the host; any other is a condition."""
    inventory = parse("[hosts.kvm]", "file", FOLDER)

    assert inventory.pick("kvm") == inventory.entry("kvm")
    assert inventory.pick("virtual") == Selector.parse("virtual")


def test_inventory_can_be_handed_on() -> None:
    """Another process makes the same inventory of its text, name and folder."""
    here = load(EXAMPLE)

    assert parse(here.text, here.name, here.folder) == here
    assert pickle.loads(pickle.dumps(here)) == here
    assert len({here, load(EXAMPLE)}) == 1


def test_program_may_say_what_hosts_there_are() -> None:
    """A file with made_by has the runner's machine alone until the program is asked."""
    inventory = parse('made_by = ["./lease", "2"]\nsource = "a"', "file", FOLDER)

    assert isinstance(inventory, Inventory)
    assert (inventory.made_by, inventory.source) == (("./lease", "2"), "a")
    assert set(inventory.hosts) == {LOCAL}


@pytest.mark.parametrize(
    ("problem", "text"), [("No such file", None), ("no UTF-8 text", b"a = '\xff'")]
)
def test_file_that_cannot_be_read_is_named(home: Path, problem: str, text: bytes | None) -> None:
    """A file that is not there, or no text, is told by its name."""
    path = home / "inventory.toml"
    if text is not None:
        path.write_bytes(text)

    with pytest.raises(UsageError, match=f"{path}: {problem}"):
        load(path)


@pytest.mark.parametrize(
    ("said", "user", "hostname", "port"),
    [
        ("alpha", None, "alpha", 22),
        ("me@alpha", "me", "alpha", 22),
        ("me@alpha:2222", "me", "alpha", 2222),
        ("ssh://me@alpha:2222", "me", "alpha", 2222),
        ("192.0.2.1:2222", None, "192.0.2.1", 2222),
        ("::1", None, "::1", 22),
        ("me@[fd00::1]:2222", "me", "fd00::1", 2222),
    ],
)
def test_plain_destination_is_a_host(
    said: str, user: str | None, hostname: str, port: int
) -> None:
    """What ssh takes as its destination needs no inventory."""
    entry = alias(said)

    assert (entry.name, entry.user, entry.hostname, entry.port) == (said, user, hostname, port)
    assert entry.address == hostname


@pytest.mark.parametrize("said", ["", "-oProxyCommand=x", "a b", "alpha:0", "alpha:99999", "@a"])
def test_what_is_no_destination_is_refused(said: str) -> None:
    """What ssh would not take, or would take as an option, is refused."""
    with pytest.raises(UsageError, match="no destination of ssh; give"):
        alias(said)
