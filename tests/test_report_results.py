# SPDX-License-Identifier: Apache-2.0
"""results.json holds a run whole, and a broken one is refused in one line."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from landfall.errors import HarnessError, UsageError
from landfall.report import results
from landfall.report.run import BugState, RegisterState, Run
from landfall.verdict import (
    Act,
    Blackout,
    Finding,
    Move,
    Observation,
    ScenarioResult,
    Verdict,
)

SAMPLE_FOLDER = Path(__file__).with_name("test_report_sample")
SAMPLE = results.read(SAMPLE_FOLDER)
SCHEMA: dict[str, Any] = json.loads(
    resources.files("landfall.report").joinpath("results.schema.json").read_text()
)


def changed(folder: Path, old: str, new: str) -> Path:
    """Put the sample's results.json, with one text replaced, into a folder."""
    text = (SAMPLE_FOLDER / results.FILE_NAME).read_text()
    (folder / results.FILE_NAME).write_text(text.replace(old, new))
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A run that was written is read back equal."""
    results.write(SAMPLE, tmp_path)

    assert results.read(tmp_path) == SAMPLE


def test_what_is_written_fits_the_schema(tmp_path: Path) -> None:
    """results.json is valid by the schema in the package, unknown numbers included."""
    blackouts = (Blackout(math.nan, math.inf),)
    run = replace(SAMPLE, scenarios=(replace(SAMPLE.scenarios[0], blackouts=blackouts),))

    record = json.loads(results.write(run, tmp_path).read_text())

    assert list(Draft202012Validator(SCHEMA).iter_errors(record)) == []


@pytest.mark.parametrize(
    "kind", [Run, RegisterState, ScenarioResult, Finding, Observation, Blackout, Act, Move]
)
def test_schema_names_every_field(kind: type[Run]) -> None:
    """The schema knows and requires exactly the fields that are written."""
    described = SCHEMA["$defs"][kind.__name__]

    names = {each.name for each in fields(kind)}

    assert set(described["properties"]) == names
    assert set(described["required"]) == names


def test_schema_names_every_verdict() -> None:
    """The schema's words for verdicts and for bugs are the program's."""
    assert SCHEMA["$defs"]["Verdict"]["enum"] == list(Verdict)
    assert SCHEMA["$defs"]["RegisterState"]["properties"]["state"]["enum"] == list(BugState)


def test_numbers_that_json_cannot_say_are_not_known(tmp_path: Path) -> None:
    """A number that is not finite is read back as NaN, and costs nothing else."""
    blackouts = (Blackout(0.01, math.inf),)
    run = replace(SAMPLE, scenarios=(replace(SAMPLE.scenarios[0], blackouts=blackouts),))
    results.write(run, tmp_path)

    back = results.read(tmp_path).scenarios[0]

    assert back.blackouts[0].seconds == 0.01
    assert math.isnan(back.blackouts[0].uncertainty)


def test_any_text_survives(tmp_path: Path) -> None:
    """Control characters and bytes that were no text come back as they were."""
    scenario = replace(SAMPLE.scenarios[0], reason="\x00\x1b[2J \udc80 ünï\n\u2028")
    run = replace(SAMPLE, scenarios=(scenario,))

    results.write(run, tmp_path)

    assert results.read(tmp_path) == run


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param('"schema": 1', '"schema": 2', "its schema is 2", id="newer"),
        pytest.param('"schema": 1', '"schema": "1"', "its schema is '1'", id="not a version"),
        pytest.param('"schema": 1', '"form": 1', "not the results of a run", id="foreign"),
        pytest.param("}", "", "not JSON", id="cut short"),
        pytest.param('"asked": 7', '"asked": "7"', "run.asked is '7', not of type int", id="text"),
        pytest.param('"asked": 7', '"ask": 7', "run has no 'asked'", id="missing field"),
        pytest.param('"kept"', '"keptt"', "scenarios[0].verdict is 'keptt', not one", id="word"),
        pytest.param('"run": {', '"run": [], "x": {', "run is [], not an object", id="list"),
        pytest.param('"lacking": [', '"lacking": {}, "x": [', "lacking is {}, not a", id="object"),
    ],
)
def test_broken_file_is_a_usage_error(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """A file that cannot be read is refused in one line: what, where, and what to do."""
    folder = changed(tmp_path, old, new)

    with pytest.raises(UsageError) as caught:
        results.read(folder)

    assert complaint in str(caught.value)
    assert str(folder / results.FILE_NAME) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """A folder without results is refused with advice."""
    with pytest.raises(UsageError, match=r"No such file.*give the folder of a finished run"):
        results.read(tmp_path)


def test_file_in_another_encoding_is_a_usage_error(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused."""
    (tmp_path / results.FILE_NAME).write_bytes(b"\xff\xfe")

    with pytest.raises(UsageError, match="not UTF-8"):
        results.read(tmp_path)


def test_fields_of_a_later_writer_are_passed_over(tmp_path: Path) -> None:
    """A field that this version does not know does not keep it from reading."""
    folder = changed(tmp_path, '"asked": 7', '"asked": 7, "weather": "fair"')

    assert results.read(folder) == SAMPLE


def test_results_appear_whole(tmp_path: Path) -> None:
    """Writing makes the folder, replaces what stood there and leaves nothing beside it."""
    folder = tmp_path / "a" / "b"

    results.write(replace(SAMPLE, scenarios=()), folder)
    results.write(SAMPLE, folder)

    assert [each.name for each in folder.iterdir()] == [results.FILE_NAME]


def test_disk_that_says_no_is_the_hosts_fault(tmp_path: Path) -> None:
    """Results that cannot be written are a harness error, and no part of them is left."""
    (tmp_path / results.FILE_NAME).mkdir()

    with pytest.raises(HarnessError, match="cannot write"):
        results.write(SAMPLE, tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == [results.FILE_NAME]
