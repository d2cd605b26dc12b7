# SPDX-License-Identifier: Apache-2.0
"""Makes two hosts, alpha and beta, for tests: real sshds, in network namespaces or on loopback.

`python3 make.py netns|loopback [--qemu NAME=PATH] [--broken HOW]` prints an inventory and a line
`# ready`; the hosts last until its standard input is closed. What it made is removed by a
watchdog, which outlives it: also when it is killed nothing stays. Who logs in finds sh and
coreutils in his PATH and nothing else. `--with` adds programs to that; with `--apart` they
share no folder; `--broken` makes beta wrong in one of the ways of `BROKEN`.

While it runs it takes a command a line, `VERB HOST LINK [ARGUMENT]`, and answers `# ok` or
`# refused WHY`. LINK is `ssh`, `migration` or `all`, which may be left out: `down` and `up` pull
and plug a cable, `drop-to` and `drop-from` lose what goes one way, `throttle` passes so many bytes
a second, `heal` undoes all of it. What is lost is lost in silence: nobody is told.
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.hosts.wiring import NAMES, Namespaces, Net, run

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
PRIVSEP = Path("/run/sshd")
START = 10.0
CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_{name}
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
SetEnv HOME={folder}/home_{name} TMPDIR={folder}/tmp_{name} PATH={folder}/bin {mark}=1
"""
"""A home of its own: what the user's shell does when it starts is no part of a host."""
COREUTILS = (
    "cat", "chmod", "cp", "date", "dd", "head", "id", "ln", "ls", "mkdir", "mkfifo", "mktemp",
    "mv", "od", "printf", "readlink", "rm", "rmdir", "sha256sum", "sleep", "split", "stat", "tail",
    "tee", "test", "timeout", "touch", "tr", "true", "uname", "wc",
)  # fmt: skip
BROKEN = ("unknown-key", "wrong-key", "wrong-user", "no-qemu", "refused", "silent")
HOST = """\
[hosts.{name}]
ssh = "{address}"
port = {port}
user = "{user}"
connect_timeout = {timeout}
key = "{folder}/user"
known_hosts = "{folder}/known_hosts"
address = "{streams}"
address6 = "{streams6}"
{shared}
leases = "{folder}/leases_{name}"
labels = ["{kind}"]
qemu = {{ {builds} }}
"""
WATCHDOG = """\
trap '' HUP INT TERM
cat >/dev/null
{unlink}
for process in /proc/[0-9]*; do
	case $(tr '\\0' '\\n' <"$process/environ" 2>/dev/null) in
	*{mark}=1*) kill -KILL "${{process#/proc/}}" ;;
	esac
done 2>/dev/null
kill -KILL $(cat {folder}/pids)
rm -rf {folder}
"""
"""An sshd's environment cannot be read: it writes its title there. So its number is kept."""


def builds(given: list[str]) -> str:
    """Return the builds there are, as the inline table of an inventory."""
    found = dict(word.partition("=")[::2] for word in given)
    if not found:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        for path in sorted(cache.glob("landfall/qemu/*/bin/qemu-system-x86_64")):
            found[path.parents[1].name] = str(path)
        if system := shutil.which("qemu-system-x86_64"):
            found["system"] = system
    return ", ".join(f'"{name}" = "{path}"' for name, path in found.items())


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def answers(address: str, port: int) -> bool:
    """Whether somebody listens at an address."""
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex((address, port)) == 0


def bare(folder: Path, more: list[str]) -> None:
    """Fill a folder with what a host must have, and what else it shall have."""
    folder.mkdir()
    for name in ("sh", *COREUTILS, *more):
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise SystemExit(f"there is no {name}")
        (folder / name).symlink_to(found)


def start(net: Net, asked: argparse.Namespace, folder: Path, mark: str) -> None:
    """Start both sshds and say where they are."""
    (folder / "shared").mkdir(mode=0o777)
    bare(folder / "bin", asked.more)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "user"))
    known = []
    said = ['source = "alpha"', 'destination = "beta"']
    said += [f"links = {list(net.verbs)}"] if net.verbs else []
    for name in NAMES:
        broken = asked.broken if name == NAMES[-1] else ""
        for what in ("home", "tmp"):
            (folder / f"{what}_{name}").mkdir()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / f"host_{name}"))
        address = net.addresses[name]
        port = 22 if isinstance(net, Namespaces) else free_port()
        facts = {"name": name, "address": address, "port": port, "folder": folder}
        facts |= {"streams": net.streams[name], "streams6": net.streams6[name]}
        config = folder / f"sshd_{name}"
        config.write_text(CONFIG.format(**facts, mark=mark))
        words = [*net.inside(name), str(SSHD), "-D", "-e", "-f", str(config)]
        if broken == "silent":
            words = [*net.inside(name), sys.executable, "-c", SILENT, address, str(port)]
        if broken != "refused":
            listen(words, folder, name, (address, port))
        at = address if port == 22 else f"[{address}]:{port}"
        key = folder / ("user.pub" if broken == "wrong-key" else f"host_{name}.pub")
        if broken != "unknown-key":
            known.append(" ".join([at, *key.read_text().split()[:2]]))
        facts |= {
            "user": "nobody-here" if broken == "wrong-user" else getpass.getuser(),
            "builds": "" if broken == "no-qemu" else builds(asked.qemu),
            "timeout": 2 if broken == "silent" else 10,
            "kind": asked.kind,
            "shared": "" if asked.apart else f'shared = "{folder}/shared"',
        }
        said.append(HOST.format(**facts))
    (folder / "known_hosts").write_text("\n".join(known) + "\n")
    print("\n".join(said) + "\n# ready", flush=True)


SILENT = """\
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))):
    time.sleep(600)
"""
"""Listens, and never says a word."""


def listen(words: list[str], folder: Path, name: str, at: tuple[str, int]) -> None:
    """Start what listens at an address, and wait until it does."""
    with (folder / f"log_{name}").open("wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    with (folder / "pids").open("a") as pids:
        pids.write(f"{process.pid}\n")
    deadline = time.monotonic() + START
    while not answers(*at):
        if time.monotonic() > deadline:
            raise SystemExit(f"sshd: {(folder / f'log_{name}').read_text().strip()}")
        select.select([], [], [], 0.02)


def serve(net: Net) -> None:
    """Do what is asked for until standard input ends."""
    for line in sys.stdin:
        try:
            verb, name, *more = line.split()
            net.do(verb, name, *more)
        except (ValueError, TypeError, SystemExit) as error:
            print(f"# refused {error}", flush=True)
        else:
            print("# ok", flush=True)


def main() -> None:
    """Make the hosts, and hold them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("netns", "loopback"))
    parser.add_argument("--qemu", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--with", action="append", default=[], dest="more", metavar="PROGRAM")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--broken", choices=BROKEN, default="")
    asked = parser.parse_args()
    if SSHD is None:
        raise SystemExit("there is no sshd (package openssh-server)")
    if asked.kind == "netns" and os.geteuid():
        raise SystemExit("network namespaces that the runner reaches are root's to make")
    if os.geteuid() == 0:
        PRIVSEP.mkdir(mode=0o755, exist_ok=True)
    tag = secrets.token_hex(3)
    mark = f"LANDFALL_HOSTS_{tag.upper()}"
    folder = Path(tempfile.mkdtemp(prefix="lfh-", dir="/tmp"))  # short: Unix sockets lie in it
    net = Namespaces(tag) if asked.kind == "netns" else Net()
    script = WATCHDOG.format(mark=mark, folder=folder, unlink=net.unlink)
    watchdog = subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        net.make()
        start(net, asked, folder, mark)
        serve(net)
    finally:
        watchdog.communicate()


if __name__ == "__main__":
    main()
