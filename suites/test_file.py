# SPDX-License-Identifier: Apache-2.0
"""A guest is saved to a file in each form that a file can have, and continues from it.

QEMU's documents: docs/devel/migration/mapped-ram.rst («a stream format for RAM pages in which each
page has a fixed place in the file», so that the file does not grow with a guest that writes), the
`file:` transport with an offset, several writers at once (multifd), and files that pass the host's
page cache by (direct-io; qapi/migration.json). A failure means that what was saved is not what
continues, or that QEMU writes where it was told not to.
"""

from __future__ import annotations

import pytest

from landfall.capabilities import FEATURES
from landfall.feature import named
from landfall.heading import headed, leaves_the_header
from landfall.migration import migrate, restore, save
from landfall.refusal import refusal_to_go
from landfall.transport import FILE, FILE_BEHIND_A_HEADER
from landfall.vm import VM

MAPPED, SEVERAL, DIRECT = (
    FEATURES[name] for name in ("mapped-ram", "mapped-ram-multifd-4", "direct-io")
)
FORMS = [(), (MAPPED,), (SEVERAL,), (MAPPED, DIRECT), (SEVERAL, DIRECT)]
by_forms = pytest.mark.parametrize(
    "features", FORMS, ids=lambda form: named(form) or "stream", indirect=True
)


@by_forms
def test_guest_that_runs_is_saved(source: VM, destination: VM) -> None:
    """A guest that runs, and writes, while it is saved continues from the file."""
    assert migrate(source, to=destination, via=FILE).status == "completed"

    assert destination.owns_the_guest


@by_forms
def test_guest_that_stands_still_is_saved(source: VM, destination: VM) -> None:
    """A guest that stands still while it is saved continues from the file when it is told to."""
    source.stop()
    assert migrate(source, to=destination, via=FILE).status == "completed"
    assert destination.holds_the_guest_still

    destination.cont()
    assert destination.owns_the_guest


@by_forms
def test_stream_comes_behind_what_is_there(source: VM, destination: VM) -> None:
    """What a file has before the offset is left alone, and the guest continues from behind it."""
    folder = headed(source, FILE_BEHIND_A_HEADER)
    saved = save(source, via=FILE_BEHIND_A_HEADER, into=folder)
    assert saved.outcome().status == "completed"
    assert leaves_the_header(source, folder, FILE_BEHIND_A_HEADER)

    restore(destination, saved)

    assert destination.owns_the_guest


@pytest.mark.parametrize("offset", ["0x20M", "-1", "four"])
def test_offset_that_is_none_is_refused(source: VM, offset: str) -> None:
    """An offset that is no number of bytes is refused, and the guest runs on."""
    FILE.require(source.build)
    refusal = refusal_to_go(source, f"file:/tmp/nothing,offset={offset}")

    assert "offset" in refusal
    assert source.owns_the_guest
