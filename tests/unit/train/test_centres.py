import numpy as np
import pytest

from embedge.train.centres import class_centres, unit


def test_centres_survive_wrong_labels():
    rng = np.random.default_rng(0)
    truth = unit(rng.normal(size=(7, 32)).astype(np.float32))
    labels = np.repeat(np.arange(7), 20)
    rows = truth[labels] + 0.05 * rng.normal(size=(140, 32)).astype(np.float32)
    rows[::20] = truth[(labels[::20] + 3) % 7]  # one impostor in each class of twenty
    trimmed = class_centres(rows, labels, 7, trim=0.1)
    plain = class_centres(rows, labels, 7, trim=0.0)
    ours = (trimmed * truth).sum(1)
    assert ours.min() > 0.995
    assert ours.mean() > (plain * truth).sum(1).mean()


def test_a_class_of_one_keeps_its_picture():
    rows = np.eye(3, 8, dtype=np.float32)
    assert class_centres(rows, np.arange(3), 3) == pytest.approx(rows)
