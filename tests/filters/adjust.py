# SPDX-License-Identifier: Apache-2.0
"""Change one number in a device's state: a filter, standard input to standard output.

    ./landfall qualify --through 'python tests/filters/adjust.py timer cpu_clock_offset +50000000'

DEVICE and FIELD as the stream's own description names them, on DEVICE's first instance unless
`--instance` says otherwise; `--byte` and `--size` for a number inside a field that is a
structure. CHANGE is `+N` or `-N` to add, `=N` to set; decimal. Exit status 1 and one line,
without output, when the stream has no such field.
"""

from __future__ import annotations

import argparse
import sys

from landfall.stream import Edit, Kind, StreamError, parse

__all__ = ["main"]


def place(data: bytes, wanted: argparse.Namespace) -> tuple[int, int]:
    """Return where the number begins and ends; raises LookupError."""
    stream = parse(data)
    for section in stream.named(wanted.device, Kind.FULL):
        described = stream.description
        if section.instance != wanted.instance or described is None:
            continue
        for field in described.fields(wanted.device, wanted.instance):
            if field.name == wanted.field:
                start = section.payload + field.offset + wanted.byte
                return start, start + (wanted.size or field.size)
    raise LookupError(f"the stream has no {wanted.field} of {wanted.device} {wanted.instance}")


def changed(number: int, change: str, size: int) -> int:
    """Return the new value; signed numbers keep their sign as two's complement."""
    value = int(change[1:]) if change[0] == "=" else number + int(change)
    return value % (1 << 8 * size)


def main(arguments: list[str] | None = None) -> int:
    """Adjust standard input; return the exit status."""
    parser = argparse.ArgumentParser(description="Change one number in a device's state.")
    parser.add_argument("device")
    parser.add_argument("field")
    parser.add_argument("change", help="+N, -N or =N")
    parser.add_argument("--instance", type=int, default=0)
    parser.add_argument("--byte", type=int, default=0)
    parser.add_argument("--size", type=int, default=0)
    wanted = parser.parse_args(arguments)
    data = sys.stdin.buffer.read()
    try:
        start, end = place(data, wanted)
        old = int.from_bytes(data[start:end])
        new = changed(old, wanted.change, end - start)
        edit = Edit(start, end, new.to_bytes(end - start))
        for piece in parse(data).pieces([edit]):
            sys.stdout.buffer.write(piece)
    except (LookupError, StreamError, BrokenPipeError) as error:
        print(f"adjust: {error}", file=sys.stderr)
        return 1
    what = f"{wanted.field} of {wanted.device} {wanted.instance}"
    print(f"adjust: {what} at {start:#x} was {old}, is {new}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
