"""One batch for every method."""

import pytest
import torch

from embedge.train.methods import Sample
from embedge.train.seeds import seeded

BATCH, DIM, CLASSES = 9, 16, 11


@pytest.fixture
def sample() -> Sample:
    with seeded(0):
        return Sample(
            torch.randn(BATCH, DIM, requires_grad=True),
            torch.randint(0, CLASSES, (BATCH,)),
            torch.randn(BATCH, DIM),
        )
