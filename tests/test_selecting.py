# SPDX-License-Identifier: Apache-2.0
"""A path among pytest's arguments names tests, unless it is the value of an option."""

from __future__ import annotations

import pytest

from landfall.plugin.options import OPTIONS
from landfall.selecting import WITHOUT_VALUE, names_tests


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("{}", True),
        ("{}::test_it", True),
        ("--no-summary {}", True),
        ("--until-fail {}", True),
        ("-vv {}", True),
        ("-x {}", True),
        ("-n2 {}", True),
        ("-kname {}", True),
        ("-k name {}", True),
        ("--results=x {}", True),
        ("--results {}", False),
        ("--inventory {} -x", False),
        ("-k {}", False),
        ("-xk {}", False),
        ("--tb short", False),
        ("/nowhere", False),
        ("", False),
    ],
)
def test_path_that_is_no_value_names_tests(arguments: str, *, named: bool) -> None:
    """An option without a value has none that a path could be."""
    words = arguments.format(__file__).split()

    assert names_tests(words) is named


def test_options_without_value_leave_the_path_alone(request: pytest.FixtureRequest) -> None:
    """What is said to take no value takes none of pytest, and none of our own is left out."""
    parser = request.config._parser
    ours = {name for name, facts in OPTIONS if str(facts.get("action")).startswith("store_")}

    taking = {
        name
        for name in WITHOUT_VALUE - {"--help", "--version"}
        if "it" not in parser.parse_known_args([name, "it"]).file_or_dir
    }

    assert taking == set()
    assert ours <= WITHOUT_VALUE
    assert {name for name, _ in OPTIONS} & WITHOUT_VALUE == ours
