"""Names of faults from rows alone, without any network."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embedge.runtime.encoders import unit_rows
from embedge.runtime.selftest.asking import Answers
from embedge.runtime.selftest.diagnosis import symptoms_in
from embedge.runtime.selftest.golden import Expected, Rows
from embedge.runtime.selftest.result import SelfTest, Symptom

DIM, FACES = 64, 3
ORDER = (1, 2, 2, 1, 0)


def rows(seed: int) -> Rows:
    return unit_rows(np.random.default_rng(seed).normal(size=(FACES, DIM)).astype(np.float32))


RIGHT = rows(0)
ILL = unit_rows(RIGHT + 0.05 * rows(7))  # a weak fault: cosine 0.999
EXPECTED = Expected(0.98, RIGHT, rows(1), {"colour-order": rows(2), "colour-range:video": ILL})


def answers(alone: Rows, **changes: Any) -> Answers:
    batches = ((ORDER, alone[list(ORDER)]),)
    told = Answers(alone, batches, (alone, alone), EXPECTED.pictures)
    return replace(told, **changes)


def faults(told: Answers) -> list[str]:
    return [finding.fault for finding in symptoms_in(told, EXPECTED)]


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.05])
def test_right_answers_are_right(noise: float) -> None:
    near = unit_rows(RIGHT + noise * rows(9))
    assert faults(answers(near)) == []


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_weak_fault_is_seen_within_the_tolerance(noise: float) -> None:
    assert faults(answers(unit_rows(ILL + noise * rows(9)))) == ["colour-range"]


WEAK = 0.04 * rows(7)  # of the first artifact: a cosine of 0.9992, far within this one's tolerance
ROUGH = replace(EXPECTED, faults={}, moves={"colour-range:video": WEAK, "shift:+4,+0": rows(8)})


def rough(seed: int, size: float, move: Rows | float = 0.0) -> Rows:
    """The right answers, moved, and as uncertain as rounding makes them."""
    noise = np.random.default_rng(1_000 + seed).normal(size=RIGHT.shape).astype(np.float32)
    return unit_rows(RIGHT + move + size * unit_rows(noise))


@pytest.mark.parametrize("size", [0.0, 0.04, 0.06])
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_below_the_noise_is_seen_by_its_direction(seed: int, size: float) -> None:
    (finding,) = symptoms_in(answers(rough(seed, size, WEAK)), ROUGH)
    assert finding.fault == "colour-range"
    assert "of its move" in finding.evidence


@pytest.mark.parametrize("size", [0.001, 0.04, 0.15])
@pytest.mark.parametrize("seed", range(50))
def test_noise_alone_is_no_hidden_fault(seed: int, size: float) -> None:
    assert not symptoms_in(answers(rough(seed, size)), ROUGH)


def test_sums_that_saturate_look_like_less_contrast_but_leave_more() -> None:
    """A fault leaves what rounding leaves; they leave several times that."""
    assert not symptoms_in(answers(rough(3, 0.13, WEAK)), ROUGH)
    assert symptoms_in(answers(rough(3, 0.09, WEAK)), ROUGH)


@pytest.mark.parametrize("share", [0.3, -1.0, 3.0])
def test_another_length_than_the_fault_has_is_not_that_fault(share: float) -> None:
    assert not symptoms_in(answers(rough(0, 0.02, share * WEAK)), ROUGH)


def test_a_strong_fault_is_named_with_what_it_explains() -> None:
    (finding,) = symptoms_in(answers(EXPECTED.faults["colour-order"]), EXPECTED)
    assert finding.fault == "colour-order"
    assert "explains 100%" in finding.evidence


@pytest.mark.parametrize(("artifact", "seven"), [("fp32", False), ("int8-cpu", True)])
def test_what_is_unexplained_is_mended_by_the_precision_of_the_artifact(
    artifact: str, seven: bool
) -> None:
    told = SelfTest(artifact, "here", (Symptom("inexact", ""),), None, 0.9, 0.0)
    assert ("7 bits" in told.remedy) == seven


def test_two_faults_are_both_named() -> None:
    assert faults(answers(3 * EXPECTED.faults["colour-order"])) == ["unnormalised", "colour-order"]


@pytest.mark.parametrize(
    ("rows_given", "name"),
    [
        (rows(30), "stale-weights"),
        (unit_rows(RIGHT + 0.6 * rows(31)), "inexact"),
        (-RIGHT, "inexact"),
        (unit_rows(np.repeat(rows(32)[:1], FACES, 0) + 0.05 * rows(33)), "collapse"),
        (np.zeros((FACES, DIM), np.float32), "collapse"),
        (np.full((FACES, DIM), np.nan, np.float32), "collapse"),
        (RIGHT[[1, 2, 0]], "mix-up"),
        (5 * RIGHT, "unnormalised"),
        (RIGHT[:, :32], "wrong-output"),
    ],
)
def test_each_kind_of_answers_has_its_name(rows_given: Rows, name: str) -> None:
    assert faults(answers(rows_given)) == [name]


def test_rows_that_depend_on_their_neighbours() -> None:
    turned = np.roll(RIGHT[list(ORDER)], 1, axis=0)
    assert faults(answers(RIGHT, batches=((ORDER, turned),))) == ["mix-up"]
    assert faults(answers(RIGHT, batches=((ORDER, RIGHT[:1]),))) == ["mix-up"]
    assert faults(answers(RIGHT, threaded=(RIGHT, RIGHT[[0, 0, 2]]))) == ["mix-up"]


def test_alignment_is_blamed_only_where_crops_are_right() -> None:
    assert faults(answers(RIGHT, pictures=rows(40))) == ["template"]
    assert faults(answers(RIGHT, pictures=None)) == []
    assert faults(answers(rows(30), pictures=rows(40))) == ["stale-weights"]
