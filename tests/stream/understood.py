# SPDX-License-Identifier: Apache-2.0
"""All that can be done with some bytes that may be a stream."""

from __future__ import annotations

from landfall import state
from landfall.state import showing
from landfall.stream import StreamError, written
from tests.stream.budget import calls_at_most

__all__ = ["is_as_it_should_be", "understood"]

CALLS = 100
"""For each byte: a byte of a device may be a field, which is decoded, named, told and compared."""
LEAST = 200_000


def understood(data: bytes) -> str:
    """Read, show, compare and write some bytes; return what became of them.

    Another exception than StreamError goes through, and so does one of too many calls.
    """
    with calls_at_most(LEAST + CALLS * len(data)):
        try:
            found = state.read(data)
            again = b"".join(written(found.stream))
            for device in found.devices:
                list(showing.fields_as_text(device))
            list(showing.as_text(found))
            differing = state.differences(found, state.read(data))
        except StreamError as error:
            return str(error)
    if differing:
        return f"differs from itself: {differing}"
    return "written unchanged" if again == data else "written otherwise"


def is_as_it_should_be(outcome: str) -> bool:
    """Whether some bytes were written unchanged, or refused with the place."""
    return outcome == "written unchanged" or outcome.startswith("at 0x")
