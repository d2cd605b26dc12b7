# SPDX-License-Identifier: Apache-2.0
"""Programs of the npm registry, each installed into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["expect_npm", "installed"]

NODE = 20
"""The oldest Node.js that Allure 3 runs on; Debian 12's own is older."""
PATIENCE = 300


def expect_npm() -> None:
    """Skip where npm is not here, or its Node.js is too old."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not here")
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < NODE:
        pytest.skip(f"Node.js here is {version}, and {NODE} is needed")


def installed(package: str, folder: Path) -> Path:
    """Install a package and return the folder of its modules."""
    expect_npm()
    words: list[str | Path] = ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder]
    subprocess.run([*words, package], check=True, timeout=PATIENCE)
    return folder / "node_modules"
