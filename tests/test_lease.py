# SPDX-License-Identifier: Apache-2.0
"""Leases: never more than there is, fair, and gone with their holder, in any POSIX shell."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landfall.clock import Bell
from landfall.errors import HarnessError, Missing
from landfall.host import LocalHost
from landfall.lease import Ledger, Limits
from tests.command import qualify
from tests.test_two_hosts import PLAIN, made

MEMORY, PAIRS = 1000, 3
SOON = 10.0
SCRIPT = Path(__file__).parents[1] / "fixtures" / "landfall" / "lease.sh"
Open = Callable[..., Ledger]
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the leases of a test are kept in."""
    return tmp_path / "leases"


@pytest.fixture
def ledger(host: LocalHost, folder: Path) -> Callable[..., Ledger]:
    """Return a host's ledger."""

    def made(memory: int = MEMORY, pairs: int = PAIRS) -> Ledger:
        return Ledger(host, Limits(memory, pairs), str(folder))

    return made


def test_lease_is_held_and_given_back(ledger: Open, folder: Path) -> None:
    """While a lease is held others see it, and whose it is; afterwards it is gone."""
    with ledger().lease(300, SOON):
        [told] = ledger().in_use()
        assert f"(process {os.getpid()} there): 300 MiB" in told

    assert ledger().in_use() == []
    assert list(folder.iterdir()) == []


def test_what_can_never_be_is_told_at_once(ledger: Open, folder: Path) -> None:
    """More than there ever is makes a scenario unable, and names the limit."""
    with pytest.raises(Missing, match=r"local may use 1000 MiB for guests, and this takes 1001"):
        ledger().lease(1001, SOON).__enter__()

    assert not folder.exists()


@pytest.mark.parametrize(
    ("memory", "pairs", "second"), [(1000, 0, 600), (0, 1, 1)], ids=["memory", "pairs"]
)
def test_who_waits_in_vain_is_told_who_has_it(
    ledger: Open, folder: Path, memory: int, pairs: int, second: int
) -> None:
    """A turn that does not come ends the wait, and says who has what; the place is given up."""
    with ledger(memory, pairs).lease(500, SOON):
        with pytest.raises(HarnessError, match=r"our turn did not come in 1 s; in use .* 500 MiB"):
            ledger(memory, pairs).lease(second, 1.0).__enter__()
        assert len(list(folder.iterdir())) == 1


def test_first_come_is_first_served(ledger: Open, folder: Path) -> None:
    """Who wants much is not overtaken for ever by those who want little."""
    served: list[str] = []

    def want(name: str, memory: int) -> threading.Thread:
        def hold() -> None:
            with ledger().lease(memory, SOON):
                served.append(name)

        before = len(list(folder.iterdir()))
        thread = threading.Thread(target=hold)
        thread.start()
        Bell().wait(lambda: len(list(folder.iterdir())) > before, within=SOON, what=name)
        return thread

    with ledger().lease(500, SOON):
        waiting = [want("much", 1000), want("little", 100)]
    for thread in waiting:
        thread.join(SOON)

    assert served == ["much", "little"]


HOLDER = """
import os, sys
sys.path[:0] = {path!r}
from landfall.host import LocalHost
from landfall.lease import Ledger, Limits
class Here(LocalHost):
    holder = os.getpid()
with Here() as host, Ledger(host, Limits(1000, 1), {folder!r}).lease(700, 10.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lease_dies_with_its_holder(ledger: Open, folder: Path) -> None:
    """A lease whose holder was killed is nobody's: the next one has it at once."""
    text = HOLDER.format(path=sys.path, folder=str(folder))
    holder = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert len(list(folder.iterdir())) == 1

    holder.kill()
    holder.wait()

    with ledger(pairs=1).lease(700, 1.0):
        assert len(ledger().in_use()) == 1
    holder.communicate()


def shells() -> list[object]:
    """Return the shells that are here; the others are skipped."""
    return [
        pytest.param(
            words,
            id=words[0],
            marks=pytest.mark.skipif(shutil.which(words[0]) is None, reason="not installed"),
        )
        for words in SHELLS
    ]


def script(words: list[str], verb: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start the ledger's script in a shell."""
    return subprocess.Popen(
        [*words, str(SCRIPT), verb, str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("words", shells())
def test_lease_of_a_process_that_began_later_is_not_its_forebears(
    words: list[str], folder: Path
) -> None:
    """A process number that is used again, or a machine that was started again, holds nothing."""
    folder.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    for start, when in (("1", boot), ("1", "00000000")):
        (folder / f"0000000001.{os.getpid()}.{start}.{when}.900.1.somebody").touch()

    said, errors = script(words, "tell", folder).communicate()

    assert (said, errors) == ("", "")
    assert list(folder.iterdir()) == []


def taken(words: list[str], verb: str, folder: Path, *more: str) -> bool:
    """Whether the ledger's script grants a lease."""
    process = script(words, verb, folder, *more)
    process.communicate(timeout=SOON)
    return process.returncode == 0


@pytest.mark.parametrize("words", shells())
def test_holder_that_is_not_there_holds_nothing(words: list[str], folder: Path) -> None:
    """No lease is had in the name of a process that has ended, and none stays."""
    with subprocess.Popen(["true"]) as gone:
        pass

    taking = script(words, "take", folder, f"{gone.pid}.100.1.ghost", "1000", "1", "1")
    said, errors = taking.communicate()

    assert (taking.returncode, said) == (3, "")
    assert f"process {gone.pid}, which the lease hangs on, is not there" in errors
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", shells())
def test_holder_that_nobody_reaps_holds_nothing(words: list[str], folder: Path) -> None:
    """A dead process whose parent has not looked yet holds nothing."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as holder:
        assert taken(words, "take", folder, f"{holder.pid}.1.1.x", "0", "1", "1")
        assert holder.stdin is not None
        holder.stdin.close()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)

        taking = script(words, "take", folder, f"{os.getpid()}.1.1.us", "0", "1", "1")

        assert taking.communicate() == ("", "")
        assert taking.returncode == 0


@pytest.mark.parametrize("words", shells())
def test_lease_that_was_removed_is_not_granted(words: list[str], folder: Path) -> None:
    """Whose place in the queue somebody removed is told so, and has nothing."""
    first, second = f"{os.getpid()}.900.1.first", f"{os.getpid()}.900.2.second"
    assert taken(words, "take", folder, first, "1000", "1", "1")
    waiting = script(words, "take", folder, second, "1000", "1", "60")
    Bell().wait(lambda: list(folder.glob("*.second")), within=SOON, what="the second in the queue")

    next(folder.glob("*.second")).unlink()

    assert "second was removed from " in waiting.communicate(timeout=SOON)[1]
    assert waiting.returncode == 3


@pytest.mark.parametrize("words", shells())
def test_holder_may_be_called_anything(words: list[str], folder: Path) -> None:
    """A living holder is believed whatever its name looks like in /proc."""
    named = "import sys; open('/proc/self/comm', 'w').write('a) Z (b\\n1')"
    code = f"{named}; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.read(1)
        assert taken(words, "take", folder, f"{holder.pid}.1.1.x", "0", "1", "1")

        assert script(words, "tell", folder).communicate()[0] == f"1 {holder.pid} x\n"


def test_nobody_removes_what_is_anothers(ledger: Open, folder: Path) -> None:
    """The folder is everybody's, and its sticky bit keeps each user's leases."""
    assert ledger().in_use() == []

    assert folder.stat().st_mode & 0o7777 == 0o1777


RACER = """
n=0
while [ $n -lt {rounds} ]; do
	n=$((n + 1))
	memory=$((n * {step} % 700 + 1))
	{shell} {script} take {folder} $$.$memory.$n.racer {memory} {pairs} 60 || exit 1
	: >{held}/$$.$memory
	ls {held} >{seen}/$$.$n
	rm {held}/$$.$memory
	{shell} {script} give {folder} $$.$memory.$n.racer
done
"""
"""Whoever holds a lease says so in a folder, and takes down who says so at that moment."""
RACERS, ROUNDS = 6, 12


@pytest.mark.parametrize("words", shells())
def test_no_more_is_ever_promised_than_there_is(words: list[str], tmp_path: Path) -> None:
    """However many race for it, those who hold at a moment hold no more than there is."""
    folder, held, seen = (tmp_path / name for name in ("leases", "held", "seen"))
    held.mkdir()
    seen.mkdir()
    facts = {"shell": " ".join(words), "script": SCRIPT, "folder": folder, "rounds": ROUNDS}
    facts |= {"held": held, "seen": seen, "memory": MEMORY, "pairs": PAIRS}
    racers = [
        subprocess.Popen(["sh", "-c", RACER.format(**facts, step=137 + 61 * n)])
        for n in range(RACERS)
    ]
    for racer in racers:
        assert racer.wait(60) == 0

    moments = [one.read_text().split() for one in seen.iterdir()]
    assert len(moments) == RACERS * ROUNDS
    assert max(map(len, moments)) > 1, "nobody ever met anybody"
    for moment in moments:
        assert len(moment) <= PAIRS
        assert sum(int(name.partition(".")[2]) for name in moment) <= MEMORY
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", shells())
def test_script_that_is_killed_blocks_nobody(words: list[str], folder: Path) -> None:
    """Killed at any moment, the script leaves nothing that others wait for."""
    for moment in range(20):
        holder = subprocess.Popen(["sleep", "60"])
        taking = script(words, "take", folder, f"{holder.pid}.900.1.x", "1000", "0", "60")
        with contextlib.suppress(subprocess.TimeoutExpired):
            taking.wait(moment / 1000)
        taking.kill()
        taking.communicate()
        holder.kill()
        holder.wait()

    mine = f"{os.getpid()}.900.1.us"
    taking = script(words, "take", folder, mine, "1000", "0", "1")
    assert taking.communicate() == ("", "")
    assert taking.returncode == 0


def narrow(tmp_path: Path) -> Iterator[str]:
    """Make two hosts for one pair at a time; yield their inventory."""
    for two in made(tmp_path, "loopback"):
        inventory = Path(two.inventory)
        text = inventory.read_text()
        inventory.write_text(text.replace("labels = ", "pairs = 1\nmemory = 1024\nlabels = "))
        yield two.inventory


@pytest.mark.qemu
def test_two_runners_share_two_hosts(tmp_path: Path) -> None:
    """Two runners of two workers each, on hosts for one pair: both end well, one after another."""
    for inventory in narrow(tmp_path):
        words = ("-n", "2", "-k", PLAIN, "--inventory", inventory)
        with qualify(*words) as one, qualify(*words) as other:
            ended = [one.ended(), other.ended()]

    spans = []
    for run in ended:
        assert run.status == 0, run.output + run.errors
        for scenario in run.scenarios:
            took = scenario["durations"]
            spans.append((scenario["started"], took["scenario"]))
    spans.sort()
    assert len(spans) == 4
    for (start, length), (after, _) in itertools.pairwise(spans):
        assert start + length <= after
