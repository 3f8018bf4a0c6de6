"""Cross-space comparisons: counts, drift and flips against plain loops, JSON against the schema."""

import json

import numpy as np
import pytest

from embedge.calibration.evaluation import drift as drift_module
from embedge.calibration.evaluation.crossspace import Reference, compare
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient

FMRS = (1e-1, 1e-2, 1e-6)


def normalised(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def spaces() -> tuple:
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(20), 4)
    teacher = normalised(
        np.repeat(generator.normal(size=(20, 32)), 4, 0) + 0.6 * generator.normal(size=(80, 32))
    )
    student = normalised(teacher + 0.06 * generator.normal(size=teacher.shape))
    return teacher, student, labels


def test_counts_and_same_image_cosines(spaces):
    teacher, student, labels = spaces
    alone = compare("teacher", teacher, teacher, labels, FMRS)
    assert (alone.genuine, alone.impostor) == (120, 80 * 79 // 2 - 120)
    assert alone.same_image is None
    cross = compare("cross", teacher, student, labels, FMRS, roles=("teacher", "student"))
    assert (cross.genuine, cross.impostor) == (240, 80 * 79 - 240)
    cosines = (teacher * student).sum(axis=1)
    assert cross.same_image.mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert cross.same_image.min == pytest.approx(cosines.min(), abs=1e-6)
    assert cross.same_image.p1 == pytest.approx(np.percentile(cosines, 1), abs=1e-6)


def test_a_target_beyond_the_data_stays_a_reason(spaces):
    teacher, _, labels = spaces
    result = compare("teacher", teacher, teacher, labels, FMRS)
    assert isinstance(result.tar_at(1e-6).point, Insufficient)
    assert result.to_json()["tar"][2] == {"fmr": 1e-6, "needs": 3_000_000}


@pytest.mark.parametrize("block", [2048, 9])
def test_flips_against_a_loop(spaces, block, monkeypatch):
    monkeypatch.setattr(drift_module, "_BLOCK", block)
    teacher, student, labels = spaces
    alone = compare("teacher", teacher, teacher, labels, FMRS)
    reference = Reference(alone, teacher, teacher)
    moved = compare("cross", teacher, student, labels, FMRS, reference=reference).drift
    point = moved.points[1]
    was = teacher @ teacher.T > point.reference_threshold
    now = teacher @ student.T > point.reference_threshold
    same = labels[:, None] == labels
    off = ~np.eye(80, dtype=bool)
    assert moved.reference == "teacher"
    assert point.comparisons == off.sum()
    assert point.genuine_lost == (was & ~now & same & off).sum()
    assert point.genuine_won == (now & ~was & same & off).sum()
    assert point.impostor_lost == (was & ~now & ~same).sum()
    assert point.impostor_won == (now & ~was & ~same).sum() > 0
    assert len(moved.points) == 2  # FMR 1e-6 is beyond the data


def test_flips_between_two_single_models_count_each_pair_once(spaces):
    teacher, student, labels = spaces
    alone = compare("teacher", teacher, teacher, labels, FMRS)
    reference = Reference(alone, teacher, teacher)
    result = compare("student", student, student, labels, FMRS, reference=reference)
    assert result.drift.points[0].comparisons == 80 * 79 // 2


def test_a_copy_neither_drifts_nor_flips(spaces):
    teacher, _, labels = spaces
    alone = compare("teacher", teacher, teacher, labels, FMRS)
    copy = teacher.copy()
    same = compare("copy", copy, copy, labels, FMRS, reference=Reference(alone, teacher, teacher))
    for point in same.to_json()["drift"]["points"]:
        assert (point["drift"], point["flips"]) == (0, 0)


def test_threshold_from_elsewhere_is_reported_with_both_rates(spaces):
    teacher, _, labels = spaces
    result = compare("teacher", teacher, teacher, labels, FMRS, threshold=0.7)
    cosine, same = teacher @ teacher.T, labels[:, None] == labels
    upper = np.triu(np.ones_like(same), 1)
    assert result.at_threshold.fmr == ((cosine > 0.7) & ~same & upper).sum() / result.impostor
    assert result.at_threshold.fnmr == ((cosine <= 0.7) & same & upper).sum() / result.genuine
    interval = result.at_threshold.fnmr_interval
    assert interval.low < result.at_threshold.fnmr < interval.high


def test_json_is_plain_and_fits_the_report(spaces):
    from embedge.report.schema import Comparison

    teacher, student, labels = spaces
    alone = compare("teacher", teacher, teacher, labels, FMRS)
    result = compare(
        "cross", teacher, student, labels, FMRS, 0.4, reference=Reference(alone, teacher, teacher)
    )
    text = json.dumps(result.to_json(), allow_nan=False)
    checked = Comparison.model_validate(json.loads(text))
    assert checked.eer == result.eer.rate
    assert checked.tar[0].low <= checked.tar[0].tar <= checked.tar[0].high


def test_worst_pairs_show_two_people_once(spaces):
    teacher, _, labels = spaces
    scores = pairs_within(teacher, labels)
    worst = worst_pairs(scores, 10)
    assert worst.impostors[0].score == scores.tail[-1]
    assert worst.genuines[0].score == scores.genuine[0]
    people = [frozenset((labels[pair.gallery], labels[pair.probe])) for pair in worst.impostors]
    assert len(set(people)) == 10
    assert all(labels[pair.gallery] == labels[pair.probe] for pair in worst.genuines)
    cosine = teacher @ teacher.T
    for pair in worst.impostors + worst.genuines:
        assert pair.score == pytest.approx(cosine[pair.gallery, pair.probe], abs=1e-6)
