"""How alike people are is told by the other end of an interval and by the list of people."""

from copy import deepcopy
from math import comb
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.calibration.evaluation.figures import Acquisition, Key, Side
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.intervals.dyads import Lumps
from embedge.calibration.pairs import pairs_within
from embedge.calibration.trials.result import (
    Evaluated,
    EvaluatedData,
    EvaluationResult,
    ModelResult,
    ProtocolFacts,
)
from embedge.errors import EmbedgeError
from embedge.report.evaluation import report_from_evaluation
from embedge.report.read import report_from_json
from embedge.typed import plain

PEOPLE, EACH, DIM, SIDE = 60, 5, 24, 0.975


def _of(wolf: float, alike: float) -> Any:
    """One who resembles everybody, and ten who resemble each other."""
    rng = np.random.default_rng(5)
    people, common = np.repeat(np.arange(PEOPLE), EACH), rng.normal(size=DIM)
    centres = rng.normal(size=(PEOPLE, DIM)) + 0.6 * common
    centres[0] += wolf * common
    centres[1:11] += alike * rng.normal(size=DIM)
    rows = centres[people] + 0.5 * rng.normal(size=(len(people), DIM))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    side, scores, contract = Side("net"), pairs_within(unit, people), tiny_contract(DIM)
    found = Evaluated(
        Acquisition.of(len(people), {}),
        comparison=judged_scores(Key(side, side), scores, (0.1, 0.02)),
    )
    model = ModelResult(side, "0" * 64, "CPU", contract, contract.digest, "given", None, found)
    data = EvaluatedData(len(people), PEOPLE, (), False, "faces")
    result = EvaluationResult.of(ProtocolFacts("all-pairs"), data, (model,), ())
    return plain(report_from_evaluation(result, "evaluate", scores=scores))


def _measured(value: Any) -> Any:
    """At the line that the list of people is told at."""
    return value["evaluation"]["comparisons"][0]["tar"][1]["measured"]


def _alone(value: Any) -> tuple[float, float]:
    """The ends if every two people were evidence of their own."""
    rate, unit = _measured(value)["rate"], 1 / comb(PEOPLE, 2)
    lumps = Lumps(rate, rate * unit, unit)
    return lumps.lower(SIDE), lumps.upper(SIDE)


@pytest.mark.parametrize(("wolf", "alike"), [(0.0, 0.0), (0.9, 0.0), (0.0, 1.2), (0.9, 1.2)])
def test_what_was_measured_is_read(wolf: float, alike: float) -> None:
    value = _of(wolf, alike)
    assert plain(report_from_json(value)) == value


def test_one_end_is_not_drawn_in_alone() -> None:
    value = _of(0.0, 1.2)
    high, (_, least) = _measured(value)["high"], _alone(value)
    edited = deepcopy(value)
    _measured(edited)["high"] = (high + 3 * least) / 4
    assert least < _measured(edited)["high"] < high
    with pytest.raises(
        EmbedgeError, match=r"FMR 0\.02: the interval of its measured FMR, .* narrow"
    ):
        report_from_json(edited)


def test_nor_are_both_where_one_person_matches_many() -> None:
    value = _of(0.9, 0.0)
    edited = deepcopy(value)
    low, high = _alone(value)
    assert _measured(value)["high"] > high
    _measured(edited).update(low=low, high=high)
    with pytest.raises(EmbedgeError, match="the list of people: the interval of their FMR"):
        report_from_json(edited)
