"""The judge against plain loops: counts, rates, drift and flips; and what is written is read."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sufficient import enough

from embedge.calibration.evaluation import judge as module
from embedge.calibration.evaluation.figures import Acquisition, Comparison, Drift, Key, Side
from embedge.calibration.evaluation.judge import (
    Asked,
    Subject,
    bare_rates,
    judge,
    judged_scores,
    scores_of,
)
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import equal_error
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import unit_rows
from embedge.typed import plain, structured

FMRS = (1e-1, 5e-2, 1e-6)
LABELS = np.repeat(np.arange(20), 4)
CONTRACT = EmbeddingContract("space", "0" * 64, 32)


@pytest.fixture(scope="module")
def teacher() -> Subject:
    generator = np.random.default_rng(1)
    people = np.repeat(generator.normal(size=(20, 32)), 4, 0)
    return subject("teacher", people + 0.6 * generator.normal(size=(80, 32)))


@pytest.fixture(scope="module")
def student(teacher: Subject) -> Subject:
    generator = np.random.default_rng(2)
    return subject("student", teacher.rows + 0.06 * generator.normal(size=teacher.rows.shape))


@pytest.fixture(scope="module")
def int8(student: Subject) -> Subject:
    generator = np.random.default_rng(3)
    rows = student.rows + 0.02 * generator.normal(size=student.rows.shape)
    return replace(subject("student", rows), side=Side("student", "int8"))


def subject(model: str, rows: np.ndarray) -> Subject:
    return Subject(Side(model), unit_rows(rows.astype(np.float32)))


def one(asked: Asked) -> Comparison:
    (found,) = judge([asked], LABELS, FMRS)
    return found


def replaced(before: Asked, after: Asked) -> Drift:
    _, found = judge([before, replace(after, instead_of=before.key)], LABELS, FMRS)
    assert found.drift is not None
    return found.drift


def test_counts_and_same_image_cosines(teacher: Subject, student: Subject) -> None:
    alone = one(Asked(teacher, teacher))
    assert (alone.genuine, alone.impostor) == (120, 80 * 79 // 2 - 120)
    assert alone.same_image is None
    cross = one(Asked(teacher, student))
    assert (cross.genuine, cross.impostor) == (240, 80 * 79 - 240)
    cosines = (teacher.rows * student.rows).sum(axis=1)
    assert cross.same_image.mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert cross.same_image.min == pytest.approx(cosines.min(), abs=1e-6)
    assert cross.same_image.p1 == pytest.approx(np.percentile(cosines, 1), abs=1e-6)
    assert cross.same_image.n == 80


def test_a_target_beyond_the_data_stays_a_reason(teacher: Subject) -> None:
    point = one(Asked(teacher, teacher)).tar_at(1e-6)
    assert (point.tar, point.have, point.of) == (None, 20, "people")
    assert point.needs >= 2449  # whose pairs are as many as the rule of three asks for
    assert point.lacks == f"insufficient data: FMR 1e-06 needs {point.needs:,} people; there are 20"


@pytest.mark.parametrize("block", [2048, 9])
def test_flips_against_a_loop(
    teacher: Subject, student: Subject, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    moved = replaced(Asked(teacher, teacher), Asked(teacher, student))
    point = moved.points[1]
    was = teacher.rows @ teacher.rows.T > point.reference_threshold
    now = teacher.rows @ student.rows.T > point.reference_threshold
    same = LABELS[:, None] == LABELS
    off = ~np.eye(80, dtype=bool)
    assert str(moved.reference) == "teacher"
    assert point.comparisons == off.sum()
    assert point.genuine_lost == (was & ~now & same & off).sum()
    assert point.genuine_won == (now & ~was & same & off).sum()
    assert point.impostor_lost == (was & ~now & ~same).sum()
    assert point.impostor_won == (now & ~was & ~same).sum() > 0
    assert point.flips == (was ^ now)[off].sum()
    assert len(moved.points) == 2  # FMR 1e-6 is beyond the data


def test_flips_between_two_single_models_count_each_pair_once(
    teacher: Subject, student: Subject
) -> None:
    moved = replaced(Asked(teacher, teacher), Asked(student, student))
    assert moved.points[0].comparisons == 80 * 79 // 2


def test_a_copy_neither_drifts_nor_flips(teacher: Subject) -> None:
    copy = replace(teacher, side=Side("copy"), rows=teacher.rows.copy())
    for point in replaced(Asked(teacher, teacher), Asked(copy, copy)).points:
        assert (point.drift, point.flips) == (0, 0)


def test_threshold_from_elsewhere_is_reported_with_both_rates(teacher: Subject) -> None:
    result = one(Asked(teacher, teacher, threshold=0.7))
    cosine, same = teacher.rows @ teacher.rows.T, LABELS[:, None] == LABELS
    upper = np.triu(np.ones_like(same), 1)
    at = result.at_threshold
    assert at.fmr.rate == ((cosine > 0.7) & ~same & upper).sum() / result.impostor
    assert at.fnmr.rate == ((cosine <= 0.7) & same & upper).sum() / result.genuine
    assert at.fnmr.low < at.fnmr.rate < at.fnmr.high


def test_what_is_written_is_read_again(teacher: Subject, student: Subject) -> None:
    before = Asked(teacher, teacher, threshold=0.4)
    for found in judge([before, Asked(teacher, student, 0.4, before.key)], LABELS, FMRS):
        text = json.dumps(plain(found), allow_nan=False)
        assert structured(Comparison, json.loads(text)) == found
        assert found.tar[0].low <= found.tar[0].tar <= found.tar[0].high


def test_every_model_against_every_other_is_judged_as_by_itself(
    teacher: Subject, student: Subject, int8: Subject
) -> None:
    models = (teacher, student, int8)
    wanted = [Asked(gallery, probe) for gallery in models for probe in models]
    done = []
    found = judge(wanted, LABELS, FMRS, on_done=lambda: done.append(1))
    assert len(done) == 9
    for asked, comparison in zip(wanted, found, strict=True):
        assert comparison == one(asked)
    names = [comparison.name for comparison in found[:3]]
    assert names == ["teacher", "teacher / student", "teacher / student int8"]


def test_another_space_is_refused_with_both_names(teacher: Subject, student: Subject) -> None:
    ours = replace(teacher, contract=CONTRACT)
    stranger = replace(student, contract=replace(CONTRACT, space="elsewhere"))
    with pytest.raises(EmbedgeError, match=r"E-SPACE.*space.*elsewhere"):
        judge([Asked(ours, stranger)], LABELS, FMRS)
    assert one(Asked(ours, replace(stranger, contract=replace(CONTRACT, model="1" * 64))))


def test_without_mates_or_strangers_there_is_no_rate(teacher: Subject) -> None:
    some = replace(teacher, rows=teacher.rows[:4])
    strangers = judged_scores(
        Key(some.side, some.side), pairs_within(some.rows, np.arange(4)), FMRS
    )
    assert (strangers.eer, strangers.det, strangers.genuine) == (None, None, 0)
    mates = judged_scores(
        Key(some.side, some.side), pairs_within(some.rows, np.zeros(4)), FMRS, 0.5
    )
    assert (mates.eer, mates.at_threshold, mates.impostor) == (None, None, 0)
    assert bare_rates(scores_of(some, some, np.zeros(4))).eer is None


def test_the_number_to_watch_is_the_equal_error_rate(teacher: Subject, student: Subject) -> None:
    scores = scores_of(teacher, student, LABELS)
    assert bare_rates(scores).eer == enough(equal_error(scores)).rate > 0


def test_worst_pairs_show_two_people_once(teacher: Subject) -> None:
    scores = pairs_within(teacher.rows, LABELS)
    worst = worst_pairs(scores, 10)
    assert worst.impostors[0].score == scores.tail[-1]
    assert worst.genuines[0].score == scores.genuine[0]
    people = [frozenset((LABELS[pair.gallery], LABELS[pair.probe])) for pair in worst.impostors]
    assert len(set(people)) == 10
    assert all(LABELS[pair.gallery] == LABELS[pair.probe] for pair in worst.genuines)
    cosine = teacher.rows @ teacher.rows.T
    for pair in worst.impostors + worst.genuines:
        assert pair.score == pytest.approx(cosine[pair.gallery, pair.probe], abs=1e-6)


def test_every_tar_tells_the_errors_it_rests_on(teacher: Subject, student: Subject) -> None:
    found = one(Asked(teacher, student))
    cosines = teacher.rows @ student.rows.T
    same, other = LABELS[:, None] == LABELS, ~np.eye(len(LABELS), dtype=bool)
    for point in found.tar[:2]:
        above = cosines > np.float32(point.threshold)
        assert point.false_matches == (above & ~same).sum()
        assert point.false_non_matches == (~above & same & other).sum()
        assert point.measured.rate == pytest.approx(point.false_matches / found.impostor)
        assert point.measured.low <= point.measured.rate <= point.measured.high
        assert point.few == (min(point.false_matches, point.false_non_matches) < 30)
    assert found.tar[2].measured is None
    assert not found.tar[2].few


def test_the_line_is_the_own_threshold_or_the_strictest_carried(teacher: Subject) -> None:
    alone = one(Asked(teacher, teacher))
    strictest = [point for point in alone.tar if point.tar is not None][-1]
    assert alone.line.value == strictest.threshold
    assert alone.line.words == f"FMR {100 * strictest.fmr:g} % of these people"
    own = one(Asked(teacher, teacher, threshold=0.42))
    assert (own.line.value, own.line.words) == (0.42, "the threshold that was set beforehand")
    none = replace(alone, tar=(replace(alone.tar[2]),))
    assert none.line is None


def test_generalised_rates_are_those_of_simulated_failures() -> None:
    """A comparison needs two pictures; one that failed matches nobody (ISO/IEC 19795-1)."""
    rng, trials, fmr, fnmr = np.random.default_rng(0), 400_000, 0.1, 0.2
    seen = Acquisition(8, 1, {})
    both = (rng.random((2, trials)) > seen.rate).all(axis=0)
    rejected = ~both | (rng.random(trials) < fnmr)
    matched = both & (rng.random(trials) < fmr)
    assert seen.generalised_fnmr(fnmr) == pytest.approx(rejected.mean(), abs=3e-3)
    assert seen.generalised_fmr(fmr) == pytest.approx(matched.mean(), abs=3e-3)


def test_a_rate_that_is_asked_twice_is_told_once(teacher: Subject) -> None:
    (found,) = judge([Asked(teacher, teacher)], LABELS, (0.3, 0.3000001, 0.1, 0.3))
    assert [f"{point.fmr:g}" for point in found.tar] == ["0.3", "0.1"]
