# SPDX-License-Identifier: Apache-2.0
"""An alias of ~/.ssh/config is enough for a host: what it says there is carried over."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from landfall.errors import UsageError
from landfall.inventory.reading import alias, parse
from landfall.inventory.ssh_config import Configuration

CONFIG = """\
Include more/*.conf nowhere
Host alpha gamma
    HostName 192.0.2.1
    User landfall
    Port 2222
    IdentityFile ~/.ssh/one
    IdentityFile %d/.ssh/two
    UserKnownHostsFile ~/.ssh/lab "/with blank/known"
    StrictHostKeyChecking no
    ProxyJump me@jump:22,last:2200
Host beta
    IdentitiesOnly yes
    ProxyCommand nc -X connect %h %p
    ProxyJump unused
Host *.example !not.example
    User everyone
"""
KEYWORDS = [
    "Host", "Match", "Port", "User", "HostName", "IdentityFile", "UserKnownHostsFile", "Include",
    "ProxyJump", "ProxyCommand", "StrictHostKeyChecking", "CanonicalizeHostname", "x",
]  # fmt: skip
VALUES = [
    "a", "*", "!a", "none", "22", "~/x", "~x", "all", "final all", "host a", "%h", "%%", "%z",
    "a b", '"a', "'", "yes", "/", "", ".", "[a", "a,b:1",
]  # fmt: skip
LINES = st.tuples(st.sampled_from(KEYWORDS), st.sampled_from([" ", "="]), st.sampled_from(VALUES))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a configuration of ssh."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh" / "more").mkdir(parents=True)
    (tmp_path / ".ssh" / "config").write_text(CONFIG)
    return tmp_path


def test_alias_brings_all_that_ssh_would_use(home: Path) -> None:
    """Name, user, port, keys, known hosts and how strict to be come from ~/.ssh/config."""
    entry = alias("alpha")

    assert (entry.ssh, entry.hostname, entry.address) == ("alpha", "192.0.2.1", "192.0.2.1")
    assert (entry.user, entry.port, entry.agent) == ("landfall", 2222, True)
    assert entry.keys == (home / ".ssh/one", home / ".ssh/two")
    assert entry.known_hosts == (home / ".ssh/lab", Path("/with blank/known"))


def test_no_host_is_let_in_whose_key_changed() -> None:
    """Who lets every host in by ~/.ssh/config lets a new one in, and no changed one."""
    assert alias("alpha").host_keys == "accept-new"


def test_way_by_other_hosts_is_a_command() -> None:
    """ProxyJump is the command that ssh makes of it; ProxyCommand counts for more."""
    assert alias("alpha").proxy_jump == "me@jump:22,last:2200"
    assert alias("alpha").proxy_command == (
        "ssh -J me@jump:22 -W '[192.0.2.1]:2222' ssh://last:2200"
    )
    assert (alias("beta").proxy_command, alias("beta").proxy_jump) == (
        "nc -X connect beta 22",
        None,
    )


def test_key_of_its_own_alone_leaves_the_agent_out() -> None:
    """Who says IdentitiesOnly wants no key of the agent's tried."""
    assert not alias("beta").agent


def test_inventory_counts_for_more() -> None:
    """What the inventory says of a host counts for more than what ~/.ssh/config does."""
    table = '[hosts.a]\nssh = "alpha"\nport = 1\nuser = "u"\nkey = "/k"\nhost_keys = "strict"'
    entry = parse(table + '\nproxy_command = "nc %h %p %r %%"', "file", Path("/")).entry("a")

    assert (entry.port, entry.user, entry.keys) == (1, "u", (Path("/k"),))
    assert (entry.host_keys, entry.agent, entry.proxy_jump) == ("strict", False, None)
    assert entry.proxy_command == "nc 192.0.2.1 1 u %"


def test_patterns_say_something_and_are_no_hosts(home: Path) -> None:
    """A pattern's settings reach the hosts that it matches; it is none itself."""
    assert alias("a.example").user == "everyone"
    assert alias("not.example").user is None
    assert Configuration(home / ".ssh/config").aliases() == ["alpha", "gamma", "beta"]


def test_included_files_are_read_where_they_are_included(home: Path) -> None:
    """An included file's hosts count, and what follows it belongs to the block around it."""
    (home / ".ssh/more/one.conf").write_text("Host delta\n  Port 7\n")
    (home / ".ssh/config").write_text("Host delta\n  User u\n  Include more/*.conf\n  Port 8\n")

    assert (alias("delta").user, alias("delta").port) == ("u", 7)
    assert alias("other").port == 22
    assert Configuration(home / ".ssh/config").aliases() == ["delta"]


def test_files_that_include_each_other_are_refused(home: Path) -> None:
    """A circle of files is told, not followed."""
    (home / ".ssh/config").write_text("Include config\n")

    with pytest.raises(UsageError, match="include each other"):
        alias("alpha")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("Host a\n Port many\n", "Host a: Port many is not allowed; give 1 to 65535"),
        ("Host a\n Port\n", "Unparsable line"),
        ("Match all host a\n", "Match does not allow"),
    ],
)
def test_configuration_that_says_nothing_sensible_is_told(
    home: Path, config: str, told: str
) -> None:
    """What cannot be used of ~/.ssh/config is told with its file."""
    (home / ".ssh/config").write_text(config)

    with pytest.raises(UsageError, match=told) as refused:
        alias("a")

    assert str(home / ".ssh/config") in str(refused.value)


def test_no_configuration_says_nothing(home: Path) -> None:
    """Who has no ~/.ssh/config can name hosts all the same."""
    (home / ".ssh/config").unlink()

    assert alias("alpha").hostname == "alpha"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(LINES.map("".join), max_size=5))
@example(["Include /"])
def test_whatever_it_says_is_taken_or_told(home: Path, lines: list[str]) -> None:
    """Of any configuration, hosts come out or a line that names it."""
    config = home / ".ssh/config"
    config.write_text("\n".join(lines))

    try:
        for name in ["a", *Configuration(config).aliases()]:
            Configuration(config).settings(name)
    except UsageError as error:
        told = str(error)
    else:
        told = str(config)

    assert str(config) in told
    assert "\n" not in told
