"""Whoever was tried is compared or has failed, and findings say what they count."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.calibration.evaluation.figures import Acquisition, Key, Side
from embedge.calibration.evaluation.integrity import copied_pictures, repeated_pairs
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.pairs import pairs_listed, pairs_within
from embedge.calibration.trials.result import (
    Evaluated,
    EvaluatedData,
    EvaluationResult,
    ModelResult,
    ProtocolFacts,
)
from embedge.errors import EmbedgeError
from embedge.report.evaluation import report_from_evaluation
from embedge.report.model import Report
from embedge.report.read import report_from_json
from embedge.typed import plain

IMAGES, FAILED = 60, 3


@pytest.fixture(scope="module")
def value() -> Any:
    """Of a network that could not embed three of sixty pictures."""
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(IMAGES // 4), 4)
    rows = np.eye(len(people))[people] + 0.3 * rng.normal(size=(IMAGES, len(people)))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    side = Side("net")
    scores = pairs_within(unit[FAILED:], people[FAILED:])
    left_out = IMAGES * (IMAGES - 1) // 2 - len(scores.genuine) - scores.impostors
    failures = {f"{number}.png": "it is no picture" for number in range(FAILED)}
    found = Evaluated(
        Acquisition.of(IMAGES, failures, left_out),
        comparison=judged_scores(Key(side, side), scores, (0.1, 0.01)),
    )
    names = [str(number) for number in people]
    copied = copied_pictures(names, [max(n, 2) for n in range(IMAGES)], people)
    contract = tiny_contract(8)
    model = ModelResult(side, "0" * 64, "CPU", contract, contract.digest, "given", None, found)
    data = EvaluatedData(IMAGES, len(people) // 4, tuple(copied), False, "faces")
    facts = ProtocolFacts("all-pairs")
    return plain(report_from_evaluation(EvaluationResult.of(facts, data, (model,), ()), "evaluate"))


def refused(value: Any, said: str, edit: Callable[[Any], object]) -> None:
    assert report_from_json(value)
    edited = deepcopy(value)
    edit(edited["evaluation"])
    with pytest.raises(EmbedgeError, match=said):
        report_from_json(edited)


def of_list(pairs: np.ndarray, failed: int = 0) -> Any:
    """The report of a list of pairs of 18 pictures, in one fold; the first ones are broken."""
    rng, people = np.random.default_rng(5), np.repeat(np.arange(6), 3)
    rows = np.eye(6)[people] + 0.1 * rng.normal(size=(18, 6))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)[failed:]
    kept = pairs[(pairs >= failed).all(axis=1)] - failed
    same = people[failed:][kept[:, 0]] == people[failed:][kept[:, 1]]
    scores, side = pairs_listed(unit, people[failed:], kept, same), Side("net")
    failures = {f"{number}.png": "it is no picture" for number in range(failed)}
    found = Evaluated(
        Acquisition.of(18, failures, len(pairs) - len(kept)),
        comparison=judged_scores(Key(side, side), scores, (0.1,)),
    )
    contract = tiny_contract(6)
    model = ModelResult(side, "0" * 64, "CPU", contract, contract.digest, "given", None, found)
    data = EvaluatedData(18, 6, tuple(repeated_pairs(pairs)), False, "faces")
    result = EvaluationResult.of(ProtocolFacts("pairs"), data, (model,), ())
    return plain(report_from_evaluation(result, "evaluate"))


def test_a_list_names_pairs_as_often_as_it_likes_and_its_finding_says_so() -> None:
    both = np.array([(a, b) for a in range(18) for b in range(18) if a != b], np.int32)
    value = of_list(both)
    assert not report_from_json(value).verdict.passed
    refused(value, "306 comparisons of 18 pictures", lambda found: found.update(findings=[]))
    few = {"count": 2, "what": "2 pairs", "severity": "warning"}
    refused(value, "of 18 pictures", lambda found: found["findings"][0].update(few))
    lenient = {"severity": "warning"}
    refused(value, "of 18 pictures", lambda found: found["findings"][0].update(lenient))


def test_one_fold_of_all_pairs_and_one_broken_picture() -> None:
    pairs = np.array([(a, b) for a in range(18) for b in range(a)], np.int32)
    fold = np.concatenate([pairs[(pairs > 0).all(axis=1)], [[0, 4]]]).astype(np.int32)
    assert report_from_json(of_list(fold, failed=1))


def test_failures_cannot_be_edited_away(value: Any) -> None:
    def told(**change: Any) -> Callable[[Any], object]:
        return lambda found: found["tested"][0]["acquisition"].update(change)

    refused(value, "0 of 60 pictures failed, and 3 are listed", told(failed=0))
    refused(value, "could be", told(failed=0, failures={}))
    refused(value, "could be", told(failed=0, failures={}, comparisons_left_out=0))
    refused(value, "6,000 pictures were tried, of 60", told(attempted=6000))
    refused(value, "0 comparisons were left out, and", told(comparisons_left_out=0))
    refused(value, "is not told", lambda found: found["tested"][0].update(acquisition=None))
    refused(value, "nobody was tested", lambda found: found.update(tested=[]))


def test_a_finding_says_what_it_counts(value: Any) -> None:
    refused(value, "counts 7", lambda found: found["findings"][0].update(count=7))


def test_every_error_is_somebodys(sample: Report) -> None:
    written = plain(sample)

    def person(**change: Any) -> Callable[[Any], object]:
        return lambda found: found["zoo"]["people"][0].update(change)

    refused(written, "comparisons, rejections and matches", person(matched=0))
    refused(written, "more often than compared", person(rejected=999))
    refused(written, "which is not the line", lambda found: found["zoo"].update(threshold=0.1))
    refused(written, "people, where", lambda found: found["zoo"]["people"].pop())


@pytest.mark.parametrize("gates", [[], ["faults: net"], ["accuracy: net"]])
def test_an_evaluation_has_its_gates(value: Any, gates: list[str]) -> None:
    edited = deepcopy(value)
    kept = [one for one in value["verdict"]["gates"] if one["name"] in gates]
    edited["verdict"] = {"passed": all(one["passed"] for one in kept), "gates": kept}
    with pytest.raises(EmbedgeError, match="the gate 'faults: the data' is not among the others"):
        report_from_json(edited)
    edited |= {"evaluation": None}  # what was asked is told beside it
    with pytest.raises(EmbedgeError, match="the gate 'faults: the data' is not among the others"):
        report_from_json(edited)
