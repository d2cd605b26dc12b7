# SPDX-License-Identifier: Apache-2.0
"""Where a guest is to go is understood in each form, and what is no such place is refused.

QEMU's document: qapi/migration.json, `migrate` and `migrate-incoming`: an address is a URI or,
since 8.2, a list of channels that says the same; one of them has to be there, not both. «The
guest continues to run on the source host upon failure» (the KVM project's Migration page, 2009)
holds for an address as well at which nobody is. A failure means that a guest is lost, or that
nobody says why it did not go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from landfall.addressing import AS_CHANNELS, channels
from landfall.build import QemuBuild
from landfall.capabilities import FEATURES
from landfall.migration import migrate, try_migration
from landfall.refusal import refusal, refusal_to_go, refusal_to_wait
from landfall.transport import (
    EXEC,
    EXEC_FILE,
    FD,
    FILE,
    FILE_BEHIND_A_HEADER,
    TCP,
    UNIX,
    Transport,
)
from landfall.vm import VM

NOWHERE = {
    "port-0": ("tcp:127.0.0.1:0", "refused|assign"),
    "nobody-listens": ("tcp:127.0.0.1:1", "refused"),
    "no-such-port": ("tcp:127.0.0.1:99999999", "refused|port|service"),
    "no-such-host": ("tcp:no-such-host.invalid:4444", "address resolution failed"),
    "no-such-socket": ("unix:/nonexistent/socket", "No such file"),
    "path-too-long": ("unix:/" + "x" * 200, "UNIX socket path .* is too long"),
}
"""Addresses at which nobody is, and what has to be said of each."""
NO_PLACES = {
    "unknown-scheme": (
        "carrier-pigeon:4444",
        "(unknown|valid) migration protocol",
    ),
    "no-such-descriptor": ("fd:not-given", "not-given.* has not been found"),
    "no-such-folder": ("file:/nonexistent/folder/state", "No such file|valid migration protocol"),
    "folder": ("file:/tmp", "Is a directory|valid migration protocol"),
    "rdma-without-a-device": ("rdma:127.0.0.1:4444", "RDMA|rdma"),
}
"""What shows to be no place before anything is tried."""
SOMEWHERE = "tcp:127.0.0.1:1"
SIDEWAYS = [{**channels(SOMEWHERE)[0], "channel-type": "sideways"}]
FORMS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "both": ({"uri": SOMEWHERE, "channels": channels(SOMEWHERE)}, "'uri' (or|and) 'channels'"),
    "neither": ({}, "'uri' or 'channels'"),
    "no-channel": ({"channels": []}, "'uri' or 'channels'|[Cc]hannel list"),
    "main-twice": ({"channels": [*channels(SOMEWHERE)] * 2}, "[Cc]hannel list"),
    "unknown-channel": ({"channels": SIDEWAYS}, "channel-type.*sideways"),
}
"""Arguments that say no address, or more than one."""
by_forms = pytest.mark.parametrize(("arguments", "why"), FORMS.values(), ids=FORMS)
as_channels = pytest.mark.parametrize("form", [AS_CHANNELS], ids=str, indirect=True)


@pytest.fixture
def memory(least_memory: int) -> int:
    """Little: what is asked is where it goes."""
    return max(16, least_memory)


@as_channels
@pytest.mark.parametrize(
    "transport", [TCP, UNIX, FD, EXEC, FILE, FILE_BEHIND_A_HEADER, EXEC_FILE], ids=str
)
def test_guest_goes_where_channels_lead(source: VM, destination: VM, transport: Transport) -> None:
    """A guest goes where a list of channels says, as where a URI does."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    assert destination.owns_the_guest


@as_channels
@pytest.mark.parametrize("features", [(FEATURES["multifd-4"],)], ids=["multifd-4"], indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_guest_goes_by_many_connections_where_channels_lead(
    source: VM, destination: VM, transport: Transport
) -> None:
    """What goes by many connections goes where a list of channels says."""
    assert migrate(source, to=destination, via=transport).status == "completed"

    assert destination.owns_the_guest


@pytest.mark.parametrize(("uri", "why"), NOWHERE.values(), ids=NOWHERE)
def test_guest_stays_when_nobody_is_there(source: VM, destination: VM, uri: str, why: str) -> None:
    """A guest that is sent where nobody is stays, is told why, and can go elsewhere."""
    outcome = try_migration(source, uri).outcome()
    assert outcome.status == "failed"
    assert re.search(why, outcome.error)
    assert source.owns_the_guest

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(("uri", "why"), NO_PLACES.values(), ids=NO_PLACES)
def test_what_is_no_place_is_refused(source: VM, destination: VM, uri: str, why: str) -> None:
    """What is no place to go to is refused in words, the guest runs on, and can go elsewhere."""
    assert re.search(why, refusal_to_go(source, uri))
    assert source.owns_the_guest

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("uri", ["carrier-pigeon:4444", "fd:not-given", "file:/nonexistent/state"])
def test_destination_does_not_wait_where_no_place_is(
    source: VM, destination: VM, uri: str
) -> None:
    """A destination that cannot wait there says so, and the guest can go to another.

    To another process: 10.0 takes no second address after one that was no place at all.
    """
    assert refusal_to_wait(destination, uri)

    fresh = source.ready_twin()
    assert migrate(source, to=fresh, via=TCP).status == "completed"
    assert fresh.owns_the_guest


@by_forms
def test_source_goes_to_one_address(
    source: VM,
    builds: tuple[QemuBuild, QemuBuild],
    arguments: Mapping[str, object],
    why: str,
) -> None:
    """A source that is told no address, or two, refuses, and its guest runs on."""
    AS_CHANNELS.require(builds[0])
    assert re.search(why, refusal(source, "migrate", arguments))

    assert source.owns_the_guest


@by_forms
def test_destination_waits_at_one_address(
    source: VM,
    destination: VM,
    arguments: Mapping[str, object],
    why: str,
) -> None:
    """A destination that is told no address, or two, refuses, and can wait elsewhere."""
    AS_CHANNELS.require(destination.build)
    assert re.search(why, refusal(destination, "migrate-incoming", arguments))

    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert destination.owns_the_guest
