"""Errors by person, against counting them one by one."""

import numpy as np
import pytest

from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.zoo import zoo_of

PEOPLE, EACH = 12, 4
LABELS = np.repeat(np.arange(PEOPLE), EACH)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.normal(size=(PEOPLE, 8))[LABELS] + 0.7 * rng.normal(size=(len(LABELS), 8))
    made[LABELS == 3] = rng.normal(size=(EACH, 8))  # a goat: like nobody, least of all themselves
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_every_person_is_counted_as_by_hand(rows: np.ndarray) -> None:
    scores, threshold = pairs_within(rows, LABELS), 0.4
    found = zoo_of(scores, threshold, "x", "the line")
    cosines = rows @ rows.T
    counted = []
    for person in range(PEOPLE):
        mine = person == LABELS
        own = cosines[mine][:, mine][np.triu_indices(EACH, 1)]
        others = cosines[mine][:, ~mine]
        errors = int((own <= threshold).sum()), int((others > threshold).sum())
        counted.append((*errors, own.mean(), others.max()))
    counted.sort(key=lambda one: (-(one[0] + one[1]), one[2]))
    assert [(one.rejected, one.matched) for one in found.people] == [one[:2] for one in counted]
    for one, by_hand in zip(found.people, counted, strict=True):
        assert one.genuine == EACH * (EACH - 1) // 2
        assert one.mean_genuine == pytest.approx(by_hand[2], abs=1e-6)
        assert one.highest_impostor == pytest.approx(by_hand[3], abs=1e-6)
    assert [one.number for one in found.people] == list(range(1, PEOPLE + 1))
    total = sum(one[0] + one[1] for one in counted)
    worst = sum(one[0] + one[1] for one in counted[:2])
    assert found.worst_share == pytest.approx(worst / total)


def test_many_people_are_cut_to_the_worst_and_the_others_counted() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(320), 2)
    made = rng.normal(size=(640, 16))
    unit = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    found = zoo_of(pairs_within(unit, labels), 0.9, "x", "the line")
    assert (len(found.people), found.others) == (300, 20)
    assert found.people[0].rejected >= found.people[-1].rejected


def test_without_errors_nobody_has_a_share() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert zoo_of(pairs_within(rows, [0, 0, 1, 1]), 0.5, "x", "y").worst_share is None


def test_false_matches_of_nobody_known_leave_no_list(rows: np.ndarray) -> None:
    """Of those beyond the tail only the number is held."""
    scores = pairs_within(rows, LABELS, tail_limit=60)
    most, threshold = float(scores.tail[30]), float(scores.tail[0]) - 0.1
    assert zoo_of(scores, most, "x", "the line") is not None
    assert zoo_of(scores, threshold, "x", "the line") is None
