# SPDX-License-Identifier: Apache-2.0
"""What a migration is told beside where to go: what lacks, what is seen, what can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.build import QemuBuild
from landfall.errors import Missing
from landfall.feature import Feature, named
from landfall.host import LocalHost
from landfall.migration import migrate, start_migration
from landfall.multifd import multifd
from landfall.pki import Authority, End
from landfall.schema import Schema
from landfall.stream.readable import readable
from landfall.tls import NAME, TLS, TLS_PSK, Tls
from landfall.transport import EXEC, EXEC_FILE, FD, TCP, UNIX, Transport
from landfall.vm import VM

Start = Callable[..., tuple[VM, VM]]
Broken = Callable[[], dict[str, str]]
MULTIFD = multifd(2)


def build(**changes: object) -> QemuBuild:
    """Return a build that has nothing but what is said."""
    nothing: frozenset[str] = frozenset()
    made = QemuBuild(
        "mine",
        "/qemu",
        "9.9.9",
        "",
        {},
        nothing,
        nothing,
        nothing,
        nothing,
        incoming_exit_on_error=True,
        host=LocalHost(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("feature", "has", "why"),
    [
        (MULTIFD, {}, "mine.* has no capability multifd"),
        (
            multifd(4, "zstd"),
            {
                "capabilities": frozenset({"multifd"}),
                "parameters": frozenset({"multifd-channels", "multifd-compression=zlib"}),
            },
            "takes no parameter multifd-compression=zstd",
        ),
        (TLS, {}, "has no object tls-creds-x509"),
        (TLS_PSK, {"objects": frozenset({"tls-creds-x509"})}, "has no object tls-creds-psk"),
        (
            Tls("listed", authorized="me"),
            {"objects": frozenset({"tls-creds-x509"})},
            "has no object authz-simple",
        ),
    ],
    ids=["multifd", "zstd", "tls", "psk", "authz"],
)
def test_what_a_build_lacks_is_named(feature: Feature, has: dict[str, object], why: str) -> None:
    """A build that has not all of a feature makes a scenario unable, and says what is missing."""
    with pytest.raises(Missing, match=why):
        feature.require(build(**has))


@pytest.mark.parametrize(
    ("feature", "transport", "why"),
    [
        (MULTIFD, FD, "multifd-2 makes several connections, and fd is a single one"),
        (MULTIFD, EXEC, "several connections"),
        (TLS, EXEC, "tls needs both sides to speak, and exec leads one way"),
        (TLS_PSK, EXEC_FILE, "leads one way"),
    ],
    ids=["multifd-fd", "multifd-exec", "tls-exec", "psk-file"],
)
def test_what_a_transport_lacks_is_named(feature: Feature, transport: Transport, why: str) -> None:
    """A transport on which a feature cannot be had makes a scenario unable, and says why."""
    with pytest.raises(Missing, match=why):
        feature.require_transport(transport)


def test_features_have_one_name_together() -> None:
    """A scenario's id tells all its features."""
    assert named((multifd(4, "zlib"), TLS)) == "multifd-4-zlib-tls"


def test_values_that_are_counted_are_told_apart() -> None:
    """Of a parameter with few values each is known by itself, of any other its name."""
    schema = Schema(
        [
            {"name": "set", "meta-type": "command", "arg-type": "1", "ret-type": "3"},
            {
                "name": "1",
                "meta-type": "object",
                "members": [{"name": "size", "type": "int"}, {"name": "how", "type": "2"}],
            },
            {"name": "2", "meta-type": "enum", "values": ["none", "zlib"]},
            {"name": "3", "meta-type": "object", "members": []},
        ]
    )

    assert schema.choices("set") == {"size", "how=none", "how=zlib"}
    assert schema.choices("get") == frozenset()


@pytest.mark.parametrize("end", End)
def test_certificate_is_one_that_openssl_takes(end: End, tmp_path: Path, host: LocalHost) -> None:
    """What the authority signs is good for its end, and for the name that it says."""
    authority = Authority()
    authority.trust(tmp_path)
    authority.issue(tmp_path, end, "somebody", [NAME, "192.0.2.1"])

    # fmt: off
    done = host.run(
        ["openssl", "verify", "-CAfile", str(tmp_path / "ca-cert.pem"), "-purpose",
         f"ssl{end}", *(["-verify_hostname", NAME] if end is End.SERVER else []),
         str(tmp_path / f"{end}-cert.pem")],
        10.0,
    )
    # fmt: on

    assert done.status == 0, done.errors


@pytest.mark.qemu
@pytest.mark.parametrize("transport", [TCP, UNIX], ids=str)
def test_stream_without_tls_can_be_read(start: Start, transport: Transport) -> None:
    """What passes between two sides without TLS is seen for what it is."""
    source, destination = start()

    migration = start_migration(source, to=destination, via=transport, recorded=True)  # type: ignore[arg-type]

    assert migration.outcome().status == "completed"
    found = readable(migration.recording)
    assert "a stream's header" in found
    assert "the name of the guest's RAM" in found
    assert "a run of zeros" in found


@pytest.mark.qemu
def test_features_are_told_to_both_sides_and_taken_back(start: Start, broken: Broken) -> None:
    """A side that is told of other features does not do what it was told before."""
    source, destination = start()
    stage = source.stage
    stage.features = (multifd(2), TLS)
    assert migrate(source, to=destination, via=TCP).status == "completed"
    assert _on(source) == _on(destination) == {"events", "return-path", "multifd"}

    stage.features = ()
    fresh = destination.ready_twin("fresh")
    assert migrate(destination, to=fresh, via=FD).status == "completed"

    assert _on(destination) == {"events", "return-path"}
    assert destination.qmp.execute("query-migrate-parameters")["tls-creds"] == ""
    assert fresh.owns_the_guest
    assert broken() == {}


def _on(vm: VM) -> set[str]:
    """Return the capabilities that are on."""
    return {c["capability"] for c in vm.qmp.execute("query-migrate-capabilities") if c["state"]}
