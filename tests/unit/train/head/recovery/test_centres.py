from typing import Any

import numpy as np
import pytest

from embedge.runtime.encoders import unit_rows
from embedge.train.head.recovery.centres import TRIM, class_centres, recovered_centres


def test_centres_survive_wrong_labels() -> None:
    rng = np.random.default_rng(0)
    truth = unit_rows(rng.normal(size=(7, 32)).astype(np.float32))
    labels = np.repeat(np.arange(7), 20)
    rows = truth[labels] + 0.05 * rng.normal(size=(140, 32)).astype(np.float32)
    rows[::20] = truth[(labels[::20] + 3) % 7]  # one impostor in each class of twenty
    trimmed = class_centres(rows, labels, 7, trim=0.1)
    plain = class_centres(rows, labels, 7, trim=0.0)
    ours = (trimmed * truth).sum(1)
    assert ours.min() > 0.995
    assert ours.mean() > (plain * truth).sum(1).mean()


def test_a_class_of_one_keeps_its_picture() -> None:
    rows = np.eye(3, 8, dtype=np.float32)
    assert class_centres(rows, np.arange(3), 3, TRIM) == pytest.approx(rows)


def people(
    count: int = 9, each: int = 20, dim: int = 32, noise: float = 0.05
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = unit_rows(rng.normal(size=(count, dim)).astype(np.float32))
    labels = np.repeat(np.arange(count), each)
    return truth, labels, truth[labels] + noise * rng.normal(size=(len(labels), dim))


def test_clean_classes_lose_no_picture() -> None:
    truth, labels, rows = people()
    rows = rows.astype(np.float32)
    plain = class_centres(rows, labels, len(truth), trim=0.0)
    assert np.array_equal(class_centres(rows, labels, len(truth), trim=0.1), plain)


def test_the_report_names_scattered_classes_and_doubles() -> None:
    _, labels, rows = people()
    rows[labels == 3] += 0.3 * np.random.default_rng(2).normal(size=(20, 32))
    rows[labels == 7] = rows[labels == 5] + 0.01
    names = [f"person {n}" for n in range(9)]
    _, report = recovered_centres([rows[:-19]], labels[:-19], names)
    assert report.scattered[0].identity == "person 3"
    told: Any = report.to_json()
    assert told["scattered"][0].keys() == {"class", "distance", "pictures"}
    assert [(pair.a, pair.b) for pair in report.alike] == [("person 5", "person 7")]
    assert (report.pictures, report.singletons) == ((1, 20, 20), 1)
    assert report.summary().startswith("9 classes of 1 to 20 pictures (median 20), 1 with one")


@pytest.mark.parametrize("tolerant", [True, False])
def test_mirrored_pictures_count_if_the_teacher_knows_them(tolerant: bool) -> None:
    truth, labels, rows = people()
    rng = np.random.default_rng(3)
    same = rows + 0.01 * rng.normal(size=rows.shape)
    mirrored = same if tolerant else rng.normal(size=rows.shape)
    found, report = recovered_centres([rows, mirrored], labels, ["x"] * 9)
    assert report.mirrored is tolerant
    assert (found * truth).sum(1).min() > 0.99
