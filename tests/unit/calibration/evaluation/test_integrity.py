"""Every planted fault is found, and a clean set is not accused."""

from typing import Any

import numpy as np
import pytest

from embedge.calibration.evaluation.faces import CorruptRecord, some_of
from embedge.calibration.evaluation.integrity import (
    channel_faults,
    contradicted_pairs,
    copied_pictures,
    leaking_folds,
    leaking_subjects,
    likely_same_people,
    mislabelled,
    repeated_pairs,
)
from embedge.calibration.pairs import pairs_within
from embedge.train.render import FaceRenderer

PEOPLE, EACH = 40, 5
LABELS = np.repeat(np.arange(PEOPLE), EACH)
NAMES = [f"{label}/{number}.jpg" for number, label in enumerate(LABELS)]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    generator = np.random.default_rng(2)
    centres = np.repeat(generator.normal(size=(PEOPLE, 48)), EACH, 0)
    values = centres + 0.5 * generator.normal(size=centres.shape)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def judged(rows: np.ndarray, labels: np.ndarray) -> list:
    scores = pairs_within(rows, labels)
    return mislabelled(NAMES, rows, labels, scores) + likely_same_people(
        NAMES, rows, labels, scores
    )


def test_a_clean_set_has_no_findings(rows: np.ndarray) -> None:
    assert judged(rows, LABELS) == []


def crowd(people: int, each: int, noise: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of a model that tells people apart the worse, the more `noise` there is."""
    generator, labels = np.random.default_rng(seed), np.repeat(np.arange(people), each)
    centres = generator.normal(size=(people, 64))
    values = centres[labels] + noise * generator.normal(size=(len(labels), 64))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values.astype(np.float32), labels


def seen_in(rows: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    names = [str(number) for number in range(len(labels))]
    found = mislabelled(names, rows, labels, pairs_within(rows, labels))
    return {one.code: one.severity for one in found}


@pytest.mark.parametrize(("people", "noise"), [(800, 1.4), (400, 2.0), (60, 4.0), (40, 9.0)])
def test_a_weak_model_is_never_taken_for_shuffled_labels(people: int, noise: float) -> None:
    found = seen_in(*crowd(people, 2, noise))
    assert found
    assert set(found.values()) == {"warning"}


@pytest.mark.parametrize("noise", [0.6, 0.9])
@pytest.mark.parametrize("share", [0.12, 0.5, 1.0])
@pytest.mark.parametrize(("people", "each"), [(300, 2), (40, 5)])
def test_labels_shuffled_under_a_good_model_stay_an_error(
    people: int, each: int, share: float, noise: float
) -> None:
    rows, labels = crowd(people, each, noise)
    generator = np.random.default_rng(4)
    chosen = generator.permutation(len(labels))[: int(share * len(labels))]
    labels[chosen] = generator.permutation(labels[chosen])
    assert seen_in(rows, labels) == {"shuffled-labels": "error"}


def test_one_wrong_label_is_a_warning_that_names_the_picture(rows: np.ndarray) -> None:
    labels = LABELS.copy()
    labels[7] = 30
    (finding,) = judged(rows, labels)
    assert (finding.code, finding.severity, finding.count) == ("mislabelled", "warning", 1)
    assert finding.examples[0].startswith(NAMES[7])
    assert "resembles 1/" in finding.examples[0]


@pytest.mark.parametrize("share", [0.12, 0.5, 1.0])
def test_shuffled_labels_are_an_error(rows: np.ndarray, share: float) -> None:
    generator = np.random.default_rng(4)
    labels = LABELS.copy()
    chosen = generator.permutation(len(labels))[: int(share * len(labels))]
    labels[chosen] = generator.permutation(labels[chosen])
    codes = {finding.code: finding.severity for finding in judged(rows, labels)}
    assert codes["shuffled-labels"] == "error"


def test_one_person_under_two_names_is_found(rows: np.ndarray) -> None:
    labels = LABELS.copy()
    labels[EACH * 3 : EACH * 3 + 2] = PEOPLE
    (finding,) = judged(rows, labels)
    assert finding.code == "duplicate-subject"
    assert finding.count == 1
    assert finding.examples == ("3/17.jpg and 3/15.jpg",)


def test_a_picture_under_two_people_is_an_error_and_twice_under_one_a_warning() -> None:
    digests = list(range(len(NAMES)))
    digests[EACH] = digests[0]
    digests[2 * EACH + 1] = digests[2 * EACH]
    across, within = copied_pictures(NAMES, digests, LABELS)
    assert (across.code, across.severity, across.count) == ("duplicate-picture", "error", 1)
    assert across.examples == ("0/0.jpg = 1/5.jpg",)
    assert (within.code, within.severity, within.count) == ("repeated-picture", "warning", 1)


def test_leaks_between_splits_and_folds() -> None:
    assert leaking_subjects(["ann", "bob"], ["cid"]) == []
    (finding,) = leaking_subjects(["ann", "bob"], ["bob", "cid"])
    assert (finding.severity, finding.examples) == ("error", ("bob",))
    pairs = np.asarray([[0, 1], [5, 10], [11, 12]])
    assert leaking_folds(LABELS, pairs, np.asarray([0, 1, 1]), certain=True) == []
    (finding,) = leaking_folds(LABELS, pairs, np.asarray([0, 1, 2]), certain=True)
    assert (finding.severity, finding.examples) == ("error", ("subject 2",))
    (finding,) = leaking_folds(LABELS, pairs, np.asarray([0, 1, 2]), certain=False)
    assert finding.severity == "warning"


def test_pairs_against_their_folders() -> None:
    pairs, same = np.asarray([[0, 1], [0, 9], [3, 4]]), np.asarray([True, True, False])
    (finding,) = contradicted_pairs(NAMES, LABELS, pairs, same)
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.examples[0] == "0/0.jpg and 1/9.jpg"


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return FaceRenderer(0).render(np.arange(12), np.zeros(12, int)).images


def test_faces_in_bgr_are_told_with_how_blue_they_are(faces: np.ndarray) -> None:
    (fault,) = channel_faults(faces[..., ::-1], 12)
    assert (fault.code, fault.severity, fault.count) == ("channel-order", "warning", 12)
    assert "median of 12" in fault.what
    assert "BGR" in fault.what


def test_faces_in_rgb_grey_faces_and_no_faces_are_not(faces: np.ndarray) -> None:
    grey = np.repeat(faces.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    assert channel_faults(faces, 12) == channel_faults(grey, 12) == channel_faults([], 0) == []


def test_a_few_in_blue_light_are_no_fault(faces: np.ndarray) -> None:
    some = [face[..., ::-1] if number < 5 else face for number, face in enumerate(faces)]
    assert channel_faults(some, 12) == []


def test_what_cannot_be_read_is_passed_over() -> None:
    class Odd:
        def __len__(self) -> int:
            return 100

        def read(self, index: int) -> np.ndarray:
            if index % 2:
                raise CorruptRecord(index, str(index), "broken")
            return np.full((112, 112, 3), index, np.uint8)

    odd: Any = Odd()
    seen = [int(picture[0, 0, 0]) for picture in some_of(odd)]
    assert seen[0] == 0
    assert 20 < len(seen) < 64
    assert all(index % 2 == 0 for index in seen)


def test_pairs_that_are_listed_twice_are_told() -> None:
    pairs = np.array([[0, 1], [1, 0], [2, 3]], np.int32)
    (found,) = repeated_pairs(pairs)
    assert (found.code, found.severity, found.count) == ("repeated-pairs", "error", 1)
    assert repeated_pairs(pairs[1:]) == []
