"""A head recovered from a teacher's embeddings, beside the one that the teacher really has."""

import numpy as np
import pytest
import torch

from embedge.train.head.recovery.centres import recovered_centres
from embedge.train.render import FaceRenderer
from embedge.train.teachers import SHIPPED, open_teacher

PEOPLE, EACH = 24, 40


@pytest.mark.slow
def test_recovered_centres_point_where_the_true_classifier_does() -> None:
    teacher = open_teacher(SHIPPED)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = FaceRenderer(0).render(labels, np.tile(np.arange(EACH), PEOPLE)).images
    sides = [teacher.features(images), teacher.features(images[:, :, ::-1])]
    names = [f"rendered-0-{label}" for label in range(PEOPLE)]
    centres, report = recovered_centres(sides, labels, names)
    true = teacher.head[[teacher.identities.index(name) for name in names]]
    cosines = (torch.from_numpy(centres) * true).sum(1)
    assert cosines.mean() >= 0.95
    nearest = (torch.from_numpy(centres) @ teacher.head.T).argmax(1)
    assert [teacher.identities[row] for row in nearest] == names
    assert not report.mirrored, "this teacher was never shown mirrored faces"
