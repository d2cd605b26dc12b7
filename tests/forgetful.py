# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest's that makes every scenario broken: no heartbeat is ever enough (`-p`)."""

from __future__ import annotations

from landfall import oracles
from landfall.history import History
from landfall.oracles import Oracle
from landfall.verdict import Finding, Observation, Verdict


def _complain(_history: History) -> Finding:
    observation = Observation("planted", "nothing is ever right")
    return Finding("planted", Verdict.BROKEN, observations=(observation,))


oracles.ORACLES = (*oracles.ORACLES, Oracle("planted", "Nothing is ever right.", _complain, 0))
