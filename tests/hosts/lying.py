# SPDX-License-Identifier: Apache-2.0
"""Makes two hosts whose links it says that it breaks, and does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKE = [sys.executable, str(Path(__file__).with_name("make.py")), "netns"]


def main() -> None:
    """Make the hosts, and lie."""
    with subprocess.Popen(MAKE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hosts:
        assert hosts.stdout is not None
        for line in iter(hosts.stdout.readline, "# ready\n"):
            print(line, end="")
        print("# ready", flush=True)
        for _ in sys.stdin:
            print("# ok", flush=True)


if __name__ == "__main__":
    main()
