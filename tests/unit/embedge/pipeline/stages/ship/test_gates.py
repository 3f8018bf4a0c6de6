"""A gate looks at the comparison of its key, and one that was not measured has failed."""

from dataclasses import replace

import numpy as np
import pytest
from sample_report import sample_parity, sample_recipe, sample_report

from embedge.calibration.evaluation.figures import (
    Comparison,
    EqualErrorRate,
    Key,
    Loss,
    Rate,
    Side,
    TarPoint,
)
from embedge.calibration.intervals.lead import Lead, TarOfPeople, lead
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.gates import gates_of
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.report.model import Gate

ACROSS = Key(TEACHER, student("fp32"))
ALONE = Key(student("fp32"), student("fp32"))
FP16, INT8 = (Key(student(name), student(name)) for name in ("fp16", "int8-cpu"))


@pytest.fixture(scope="module")
def parity() -> ParityResult:
    return sample_parity()


def gates(parity: ParityResult, **more: object) -> dict[str, Gate]:
    evaluate = {"fmrs": [0.01], "gate_fmr": 0.01, **more}
    recipe = Recipe.model_validate({"name": "x", "evaluate": evaluate})
    return {gate.name: gate for gate in gates_of(recipe, parity)}


def compared(parity: ParityResult, key: Key) -> Comparison:
    (one,) = (one for one in parity.comparisons if one.key == key)
    return one


def with_loss(parity: ParityResult, found: Lead | None) -> ParityResult:
    """The same, but FP16 loses so much."""
    loss = None if found is None else Loss(ALONE, 0.01, found.difference, found.low, found.high)
    fp16 = replace(compared(parity, FP16), loss=loss)
    others = tuple(one for one in parity.comparisons if one.key != FP16)
    return replace(parity, comparisons=(*others, fp16))


def at_threshold(parity: ParityResult, low: float) -> ParityResult:
    """The same, but so much at least of the strangers was seen to match."""

    def changed(one: Comparison) -> Comparison:
        at = one.at_threshold
        return one if at is None else replace(one, at_threshold=replace(at, fmr=Rate(1, low, 1)))

    return replace(parity, comparisons=tuple(map(changed, parity.comparisons)))


def test_the_gates_are_those_of_the_sample_report(parity: ParityResult) -> None:
    assert gates_of(sample_recipe(), parity) == list(sample_report().verdict.gates)


def test_every_gate_asks_the_far_end_of_its_interval(parity: ParityResult) -> None:
    found, loss = gates(parity), compared(parity, INT8).loss
    across, alone = (compared(parity, key) for key in (ACROSS, ALONE))
    point = across.tar_at(0.01)
    assert loss
    assert point
    assert point.low
    assert alone.eer
    assert found["int8-cpu accuracy"].value == pytest.approx(100 * loss.high, abs=1e-11)
    assert loss.low < loss.difference < loss.high
    assert found["no re-enrolment"].value == pytest.approx(100 * point.low, abs=1e-11)
    assert found["equal error rate"].value == pytest.approx(100 * alone.eer.high, abs=1e-11)
    assert found["int8-cpu parity"].value == parity.artifacts["int8-cpu"].cosine.p1


def test_what_was_not_measured_has_failed(parity: ParityResult) -> None:
    found = gates(parity, gate_fmr=1e-6)
    assert found["no re-enrolment"].value is None
    assert not found["no re-enrolment"].passed
    assert not gates(with_loss(parity, None))["fp16 accuracy"].passed
    assert not gates(replace(parity, comparisons=()))["thresholds hold"].passed


def test_a_threshold_that_is_missing_or_looser_than_allowed_fails(parity: ParityResult) -> None:
    assert gates(parity)["thresholds"].passed
    assert gates(parity, threshold_fmr=1e-3)["thresholds"].passed
    strict = gates(parity, threshold_fmr=1e-3, threshold_shortage="fail")["thresholds"]
    assert (strict.value, strict.bound, strict.passed) == (1.0, 0.1, False)
    none = replace(parity.artifacts["fp16"], threshold=None)
    lost = replace(parity, artifacts={**parity.artifacts, "fp16": none})
    assert gates(lost)["thresholds"].value is None


def test_a_promise_that_the_people_judged_refute_fails(parity: ParityResult) -> None:
    """As of a threshold that was lowered afterwards."""
    assert gates(parity)["thresholds hold"].passed
    broken = gates(at_threshold(parity, 0.011))["thresholds hold"]
    assert (broken.value, broken.outcome) == (pytest.approx(1.1), "failed")


def test_thresholds_set_on_people_who_are_judged_fail(parity: ParityResult) -> None:
    dataset = replace(parity.dataset, thresholds_on="the same people")
    told = gates(replace(parity, dataset=dataset))["held-out people"]
    assert not told.passed
    assert "thresholds were set on people who are judged" in told.what


def test_a_student_of_a_foreign_head_does_not_pass(parity: ParityResult) -> None:
    """It lives in another space, as the one from scratch does."""
    stranger = compared(parity, Key(TEACHER, Side("scratch")))
    moved = replace(stranger, probe=student("fp32"))
    others = tuple(one for one in parity.comparisons if one.key != ACROSS)
    assert not gates(replace(parity, comparisons=(*others, moved)))["no re-enrolment"].passed


def test_the_default_policy_fails_a_useless_student(parity: ParityResult) -> None:
    """One whose scores say nothing: equal error near a half, accepted as often as a stranger."""
    useless = replace(compared(parity, ALONE), eer=EqualErrorRate(0.09, 0.01, 0.11, 0.3))
    others = tuple(one for one in parity.comparisons if one.key != ALONE)
    told = gates(replace(parity, comparisons=(*others, useless)))["equal error rate"]
    assert told.outcome == "failed"
    point = TarPoint(0.01, tar=0.79, low=0.7, high=0.85, threshold=0.2)
    lost = replace(compared(parity, ACROSS), tar=(point,))
    others = tuple(one for one in parity.comparisons if one.key != ACROSS)
    told = gates(replace(parity, comparisons=(*others, lost)))["no re-enrolment"]
    assert told.outcome == "failed"


@pytest.mark.parametrize(("strict", "outcome"), [("told", "not shown"), ("fails", "failed")])
def test_sixty_people_cannot_show_that_a_point_is_kept_however_alike_the_answers_are(
    parity: ParityResult, strict: str, outcome: str
) -> None:
    """Nothing turned: up to the rule of three on people may be lost all the same."""
    same = TarOfPeople(np.full(60, 45.0), np.full(60, 45.0), np.ones(200))
    dataset = replace(parity.dataset, identities=60)
    sure = replace(with_loss(parity, lead(same, same)), dataset=dataset)
    gate = gates(sure, gates={"not_shown": strict})["fp16 accuracy"]
    assert (gate.outcome, gate.passed) == (outcome, False)
    assert gate.value == pytest.approx(100 * (1 - 0.025 ** (1 / 60)), rel=0.05)
    if outcome == "not shown":
        assert (gate.at_best, gate.needs) == (0, 369)


def test_a_rate_beyond_its_bound_fails_however_wide_its_interval_is(parity: ParityResult) -> None:
    lost = with_loss(parity, Lead(0.02, -0.5, 0.5))
    assert gates(lost)["fp16 accuracy"].outcome == "failed"


def test_a_student_with_a_space_of_its_own_is_asked_only_when_somebody_demands_it(
    parity: ParityResult,
) -> None:
    alone = tuple(one for one in parity.comparisons if one.key != ACROSS)
    own = replace(parity, comparisons=alone)
    assert "no re-enrolment" not in gates(own)
    demanded = gates(own, gates={"cross_space_tar": 0.5})["no re-enrolment"]
    assert (demanded.value, demanded.bound, demanded.passed) == (None, 50, False)
