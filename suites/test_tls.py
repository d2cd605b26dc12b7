# SPDX-License-Identifier: Apache-2.0
"""A guest that is moved over TLS continues, where both sides are who they should be.

The KVM project's Migration page (2009) leaves encryption to ssh and gpg; today QEMU does it
itself: «tls-creds: ID of the 'tls-creds' object that provides credentials for establishing a TLS
connection over the migration data channel» (qapi/migration.json, QEMU 10.0), with a name that the
source expects (`tls-hostname`) and a list of who is let in (`tls-authz`). A failure means that
guests cannot be moved safely, or that their memory was given to somebody else, or could be read
on the way.
"""

from __future__ import annotations

import pytest

from landfall.feature import named
from landfall.migration import migrate, start_migration
from landfall.multifd import multifd
from landfall.stream.readable import readable
from landfall.tls import CLIENT, PSK, TLS, TLS_PSK, Tls
from landfall.transport import FD, TCP, TCP_ONE_WAY, UNIX, Live
from landfall.vm import VM

BY_ADDRESS = Tls("address", names=(), expected="")
WELCOME = [
    BY_ADDRESS,
    Tls("welcome", authorized=CLIENT),
    Tls("anonymous", is_anonymous=True, verifies=False),
]
UNWELCOME = [
    Tls("stranger", is_stranger=True),
    Tls("stranger-psk", scheme=PSK, is_stranger=True),
    Tls("anonymous", is_anonymous=True),
    Tls("unwelcome", authorized="somebody else"),
    Tls("other-address", names=("192.0.2.1",), expected=""),
    Tls("other-name", expected="other.example"),
]


@pytest.mark.parametrize("features", [(TLS,), (TLS_PSK,)], ids=named, indirect=True)
@pytest.mark.parametrize("transport", [TCP, TCP_ONE_WAY, UNIX, FD], ids=str)
def test_guest_continues(source: VM, destination: VM, transport: Live) -> None:
    """A guest continues on the destination when its stream is encrypted."""
    outcome = migrate(source, to=destination, via=transport)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(one,) for one in WELCOME], ids=named, indirect=True)
def test_whoever_is_welcome_is_let_in(source: VM, destination: VM) -> None:
    """Who is let in, and who is believed, is as the certificates and the lists say."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize(
    "features", [(multifd(4), one) for one in WELCOME], ids=named, indirect=True
)
def test_whoever_is_welcome_is_let_in_by_many_connections(source: VM, destination: VM) -> None:
    """The same where memory travels over several connections."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "completed"
    assert destination.owns_the_guest


@pytest.mark.parametrize("features", [(BY_ADDRESS,)], ids=["no-name"], indirect=True)
def test_who_has_no_name_is_not_believed(source: VM, destination: VM) -> None:
    """A certificate is not believed where nobody said whose it should be: a path is no name."""
    outcome = migrate(source, to=destination, via=UNIX)

    assert outcome.status == "failed"
    assert source.owns_the_guest


@pytest.mark.parametrize("features", [(TLS,), (TLS_PSK,)], ids=named, indirect=True)
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_nothing_can_be_read_on_the_way(source: VM, destination: VM, transport: Live) -> None:
    """Of what passes between the two sides nothing can be read."""
    migration = start_migration(source, to=destination, via=transport, recorded=True)

    assert migration.outcome().status == "completed"
    assert readable(migration.recording) == []


@pytest.mark.parametrize("features", [(one,) for one in UNWELCOME], ids=named, indirect=True)
def test_who_is_not_known_gets_no_guest(source: VM, destination: VM) -> None:
    """A guest stays on its source when the two sides are not who they should be."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "failed"
    assert source.owns_the_guest


@pytest.mark.parametrize(
    "features", [(multifd(4), one) for one in UNWELCOME], ids=named, indirect=True
)
def test_who_is_not_known_gets_no_guest_by_many_connections(source: VM, destination: VM) -> None:
    """The same where memory travels over several connections."""
    outcome = migrate(source, to=destination, via=TCP)

    assert outcome.status == "failed"
    assert source.owns_the_guest
