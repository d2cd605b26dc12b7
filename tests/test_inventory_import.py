# SPDX-License-Identifier: Apache-2.0
"""What people have already that names hosts becomes an inventory that loads."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import UsageError
from landfall.inventory import command
from landfall.inventory.entry import LOCAL, Inventory
from landfall.inventory.importing import ansible, tmt
from landfall.inventory.reading import parse
from landfall.inventory.written import Found, write

SSH = """\
Host alpha
    HostName 192.0.2.1
    Port 2222
    User landfall
    IdentityFile /keys/one
    IdentityFile /keys/two
    IdentitiesOnly yes
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
Host beta
    ProxyJump jump
Host jump
    HostName 192.0.2.9
Host *
    User nobody
"""
TMT = """\
guest:
  name: client-1
  role: client
  hostname: 192.0.2.1
guest-names: [client-1, server, spare]
guests:
  client-1: {name: client-1, role: client, hostname: 192.0.2.1}
  server: {name: server, role: server, hostname: server.example}
  spare: {name: spare, role: null, hostname: 192.0.2.3}
role-names: [client, server]
roles:
  client: [client-1]
  server: [server]
"""
ANSIBLE = {
    "_meta": {
        "hostvars": {
            "web 1": {
                "ansible_host": "192.0.2.1",
                "ansible_port": 2222,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": "/keys/one",
            },
            "db": {"ansible_port": "22", "ansible_user": "{{ lookup('env', 'USER') }}"},
            "here": {"ansible_connection": "local"},
            "far": {"ansible_host": "192.0.2.2", "ansible_ssh_common_args": "-J jump"},
            "win": {"ansible_connection": "winrm"},
        }
    },
    "all": {"children": ["ungrouped", "lab", "rack1"]},
    "ungrouped": {"hosts": ["here", "unsaid"]},
    "lab": {"children": ["rack1", "lab"], "hosts": ["far"]},
    "rack1": {"hosts": ["web 1"]},
    "two words": {"hosts": ["db"]},
}
NONSENSE = [
    ("tmt", "guests: [a", r"file:1: no YAML: "),
    ("tmt", "[" * 9999, r"file: nested too deep; give the file that"),
    ("tmt", "a: 1", r"file: there is no table `guests` in it; give the file that \$TMT"),
    ("tmt", "guests: {a: 1}", r"file: guests.a is no table"),
    ("tmt", "guests: {a: {name: a}}", r"file: guests.a has no hostname"),
    ("tmt", "guests: {}\nguest: 1", r"file: `guest` is no table"),
    ("tmt", "guests: {}", r"file: no hosts in it"),
    ("tmt", "guests: {a b: {hostname: x}, a-b: {hostname: y}}", r"two hosts would be called a-b"),
    ("tmt", "guests: {a: {hostname: 'x y'}}", r'hosts\.a\.ssh: "x y" is no address'),
    ("ansible", '{\n"a": ', r"file:2: no JSON: "),
    ("ansible", "[1]", r"file: \[1\] stands where a table should; give the output of"),
    ("ansible", '{"_meta": {"hostvars": {"a": 1}}}', r"file: 1 stands where a table should"),
    ("ansible", "{}", r"file: no hosts in it"),
    ("ansible", "[" * 999999, r"file: nested too deep; give the output of"),
    ("ssh", "Host *\n User u", r"file: no hosts in it"),
    ("ssh", "Host a\n Port no", r"file: Host a: Port no is not allowed"),
]
WORDS = ["_meta", "hostvars", "all", "guests", "guest", "hosts", "children", "hostname", "role",
         "name", "ansible_host", "ansible_port", "a"]  # fmt: skip
SHAPES = st.recursive(
    st.sampled_from([None, 1, True, "a", "b c", "22", "{{ x }}"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, which is the current folder as well."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What the command prints."""
    return capsys


def imported(form: str, text: str, printed: pytest.CaptureFixture[str]) -> tuple[Inventory, str]:
    """Import a file; return the inventory that was printed, and its text."""
    Path("file").write_text(text)
    assert command.main(["import", form, "file"]) == 0
    told = printed.readouterr().out
    return parse(told, "imported", Path("/elsewhere"), Path("/no/config")), told


def test_another_configuration_of_ssh_is_carried_over_whole(
    printed: pytest.CaptureFixture[str], home: Path
) -> None:
    """What a configuration that ssh does not read by itself says, the inventory says."""
    made, told = imported("ssh", SSH, printed)
    alpha, beta = made.entry("alpha"), made.entry("beta")

    assert list(made.hosts) == [LOCAL, "alpha", "beta", "jump"]
    assert (alpha.hostname, alpha.port, alpha.user) == ("192.0.2.1", 2222, "landfall")
    assert (alpha.keys, alpha.agent) == ((Path("/keys/one"),), False)
    assert (alpha.host_keys, alpha.known_hosts) == ("accept-new", (Path("/dev/null"),))
    assert "# not carried over: /keys/two\n" in told
    assert beta.proxy_command == f"ssh -F {home}/file -W '[beta]:22' jump"


def test_ones_own_configuration_needs_the_alias_alone(
    printed: pytest.CaptureFixture[str], home: Path
) -> None:
    """Of ~/.ssh/config the alias is enough: it is read at every run."""
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text(SSH)

    assert command.main(["import", "ssh"]) == 0

    told = printed.readouterr().out
    assert "# 192.0.2.1, by " in told
    assert '[hosts.alpha]\nssh = "alpha"\n' in told
    assert parse(told, "imported", home).entry("alpha").port == 2222


def test_guests_of_tmt_are_hosts(printed: pytest.CaptureFixture[str]) -> None:
    """A topology's guests are hosts, their roles labels; the current one is the runner's."""
    made, _ = imported("tmt", TMT, printed)

    assert list(made.hosts) == [LOCAL, "client-1", "server", "spare"]
    assert made.entry("client-1").is_local
    assert made.entry("client-1").address == "192.0.2.1"
    assert made.entry("server").ssh == "server.example"
    assert [entry.labels for entry in made.hosts.values()] == [(), ("client",), ("server",), ()]


def test_hosts_of_ansible_are_hosts(printed: pytest.CaptureFixture[str]) -> None:
    """Ansible's hosts are hosts, its groups, and those around them, labels."""
    made, told = imported("ansible", json.dumps(ANSIBLE), printed)
    web = made.entry("web-1")

    assert list(made.hosts) == [LOCAL, "web-1", "db", "here", "far", "win", "unsaid"]
    assert (web.hostname, web.port, web.user) == ("192.0.2.1", 2222, "root")
    assert (web.keys, web.agent, web.labels) == ((Path("/keys/one"),), False, ("lab", "rack1"))
    assert (made.entry("db").ssh, made.entry("db").port, made.entry("db").user) == ("db", 22, None)
    assert made.entry("db").labels == ("two-words",)
    assert made.entry("here").is_local
    assert made.entry("unsaid").ssh == "unsaid"
    assert "# not carried over: ansible_user\n[hosts.db]" in told
    assert "# not carried over: ansible_ssh_common_args\n[hosts.far]" in told
    assert "# not carried over: ansible_connection\n[hosts.win]" in told


def test_several_files_make_one_inventory(printed: pytest.CaptureFixture[str]) -> None:
    """The hosts of all files that are named are in what is printed."""
    Path("one").write_text("Host a")
    Path("two").write_text("Host b")

    assert command.main(["import", "ssh", "one", "two"]) == 0

    made = parse(printed.readouterr().out, "imported", Path("/"))
    assert list(made.hosts) == [LOCAL, "a", "b"]


@pytest.mark.parametrize(("form", "text", "told"), NONSENSE)
def test_what_cannot_be_imported_is_told_in_a_line(
    form: str, text: str, told: str, printed: pytest.CaptureFixture[str]
) -> None:
    """A file of another form, or with what no inventory takes, is refused in one line."""
    Path("file").write_text(text)

    assert command.main(["import", form, "file"]) == command.USAGE

    out, line = printed.readouterr()
    assert re.search(told, line)
    assert line.count("\n") == 1
    assert out == ""


@given(SHAPES, st.sampled_from(["tmt", "ansible"]))
def test_whatever_is_imported_is_taken_or_told(data: object, form: str) -> None:
    """A file of any form is hosts, or refused by its name."""
    find = {"tmt": tmt.find, "ansible": ansible.find}[form]
    found = Found()

    try:
        find(json.dumps(data), "file", found)
    except UsageError as error:
        told = str(error)
    else:
        told = "file"
        tomllib.loads(write(found))

    assert "file" in told or "two hosts would be called" in told


@given(st.text(max_size=12), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_what_is_written_is_read_again(remark: str, label: str, build: str) -> None:
    """Whatever the words hold, what is written is TOML that says them."""
    found = Found()
    found.add("a", {"labels": [label, "x"], "qemu": {build: "/q"}}, [remark])

    assert tomllib.loads(write(found, [remark])) == {
        "hosts": {"a": {"labels": [label, "x"], "qemu": {build: "/q"}}}
    }
