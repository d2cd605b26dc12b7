# SPDX-License-Identifier: Apache-2.0
"""A program that is stopped most of the time, as one on a slow host: `brake.py SHARE PROGRAM …`.

It becomes the program, and leaves a process behind that stops it (SIGSTOP) and lets it go on, so
that it runs for SHARE of the time; it is gone when the program is. Only a QEMU with a guest is
braked: what is asked of a build is not what is slow here.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

PERIOD = 0.1
"""Seconds from one stop to the next."""
MANY = 1024
"""File descriptors that the program may have been given: none is the brake's."""


def brake(pid: int, share: float) -> None:
    """Stop a process and let it go on, until it has ended."""
    os.setsid()
    os.closerange(0, MANY)
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
        for number, seconds in (
            (signal.SIGSTOP, PERIOD * (1 - share)),
            (signal.SIGCONT, PERIOD * share),
        ):
            os.kill(pid, number)
            time.sleep(seconds)


def main() -> None:
    """Become the program."""
    share, program, *arguments = sys.argv[1:]
    if "-kernel" in arguments:
        pid = os.getpid()
        if not (between := os.fork()):
            if os.fork():
                os._exit(0)  # the brake is no child of the program's, which may look for those
            try:
                brake(pid, float(share))
            finally:
                os._exit(0)
        os.waitpid(between, 0)
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    main()
