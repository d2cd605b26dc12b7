# SPDX-License-Identifier: Apache-2.0
"""`landfall state` shows what a saved state says, and tells two apart, for people and programs."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from landfall.__main__ import main
from landfall.state.showing import WIDTH
from landfall.stream import Edit, parse
from tests.stream import made

WHOLE = made.whole()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved state in a file."""
    path = tmp_path / "saved"
    path.write_bytes(WHOLE)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The same with a register changed."""
    stream = parse(WHOLE)
    at = stream.named("cpu")[0].payload + 8
    path = tmp_path / "other"
    path.write_bytes(b"".join(stream.pieces([Edit(at, at + 1, b"\xff")])))
    return path


def test_show_lists_blocks_and_devices(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a device its RAM is told by blocks, and each device by a line."""
    status = main(["state", "show", str(saved)])

    told = capsys.readouterr().out
    assert status == 0
    assert told.startswith("pc-q35-7.2, ")
    assert "  OPEN_RETURN_PATH\n" in told
    assert "pc.ram                                  16 pages: 2 filled, 1 zero" in told
    assert "cpu 1 " in told
    assert max(map(len, told.splitlines())) <= WIDTH


def test_show_tells_fields_by_names_people_know(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fields of a device are told with their names, their kind and their value."""
    status = main(["state", "show", str(saved), "--device", "cpu"])

    told = capsys.readouterr().out
    assert status == 0
    assert "cpu 1, version 1, 384 bytes: a vCPU" in told
    assert "env.regs[0..15]" in told
    assert "uint64         0x6161616161616161" in told


def test_show_as_json(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON has every field of the device that was asked for."""
    main(["state", "show", str(saved), "--device", "timer", "--json"])

    told = json.loads(capsys.readouterr().out)
    timer = next(each for each in told["devices"] if each["device"] == "timer")
    assert [field["path"] for field in timer["fields"]] == ["offset[0]", "offset[1]", "offset[2]"]
    assert [each["device"] for each in told["devices"] if "fields" in each] == ["timer"]
    assert told["ram"][0]["filled"] == 2


def test_same_states_exit_with_0(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two states that say the same are told so, with exit status 0."""
    assert main(["state", "diff", str(saved), str(saved)]) == 0
    assert capsys.readouterr().out == "the two states say the same\n"


def test_other_state_exits_with_1(
    saved: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed register is told by the name that people know, with exit status 1."""
    status = main(["state", "diff", str(saved), str(other)])

    told = capsys.readouterr().out
    assert status == 1
    assert "1 difference" in told
    assert "env.regs[1] (rcx): 0x6161616161616161" in told


def test_differences_as_json(saved: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON has each difference, and how many may not be."""
    main(["state", "diff", str(saved), str(other), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["unexcused"] == 1
    assert told["differences"][0]["name"] == "rcx"


def test_bundle_is_opened(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a bundle, the stream in it is read."""
    bundle = tmp_path / "bundle.tar"
    with tarfile.open(bundle, "w") as tar:
        for name, content in (("README", b"words"), ("state", WHOLE)):
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))

    assert main(["state", "diff", str(saved), str(bundle)]) == 0
    assert "same" in capsys.readouterr().out


def test_stream_behind_a_header(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stream that somebody else's header is before is found."""
    behind = tmp_path / "behind"
    behind.write_bytes(b"somebody else's".ljust(512, b"\0") + WHOLE)

    assert main(["state", "diff", str(saved), str(behind)]) == 0
    assert "same" in capsys.readouterr().out


def tar(size: bytes) -> bytes:
    """Return the beginning of a bundle with a file of some size."""
    facts = tarfile.TarInfo("README").tobuf(tarfile.USTAR_FORMAT)
    told = bytearray(facts[:124] + size.ljust(12, b"\0") + facts[136:])
    told[148:156] = b" " * 8
    told[148:156] = b"%06o\0 " % sum(told)
    return bytes(told)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tar(b"77777777"), "has 16777215 bytes"),
        (tar(b"\xff" * 12), "has -1 bytes"),
        (b"", "at 0x0: it is empty"),
        (b"no stream", "at 0x0: it does not begin with QEVM"),
        (WHOLE[:-20], "name a stream that QEMU wrote to its end"),
        (b"x".ljust(257, b"\0") + b"ustar".ljust(255, b"\0"), "a bundle without"),
    ],
    ids=["large member", "negative member", "empty", "other", "cut", "tar"],
)
def test_bad_file_is_refused(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no saved state is refused in one line that says where, with exit status 4."""
    path = tmp_path / "bad"
    path.write_bytes(content)

    status = main(["state", "show", str(path)])

    told = capsys.readouterr()
    assert status == 4
    assert words in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["show", "gone"], "No such file"),
        (["show", "."], "directory"),
        (["diff", "gone"], "required"),
    ],
    ids=["nothing", "no file", "folder", "one file"],
)
def test_bad_arguments_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that cannot be are refused in one line, with exit status 4."""
    assert main(["state", *arguments]) == 4
    assert words in capsys.readouterr().err


def test_unknown_device_is_refused(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A device that is not there is refused, with how to see those that are."""
    assert main(["state", "show", str(saved), "--device", "hpet"]) == 4
    assert "no device hpet" in capsys.readouterr().err


def test_names_are_not_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a state calls its fields reaches no terminal as a command."""
    field = {"name": "\x1b[31m\ud800", "type": "\x07", "size": 1}
    told = made.description(
        {"name": "disk", "instance_id": 0, "vmsd_name": "disk", "fields": [field]}
    )
    paths = [tmp_path / "one", tmp_path / "other"]
    for path, value in zip(paths, (b"a", b"b"), strict=True):
        path.write_bytes(made.HEADER + made.full(5, "disk", value) + made.EOF + told)

    main(["state", "show", str(paths[0]), "--device", "disk"])
    main(["state", "diff", *map(str, paths)])

    shown = capsys.readouterr().out
    assert shown.count("\\x1b[31m\\xd800") == 2
    assert "\x1b" not in shown
    assert "\x07" not in shown
