"""How near two embeddings of the same pictures are, and what cannot be compared."""

import numpy as np
import pytest

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError


def test_cosine_of_known_angles() -> None:
    reference = np.tile([[2.0, 0.0]], (101, 1))
    angles = np.linspace(0, np.pi / 2, 101)
    found = cosines_of(reference, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.min == pytest.approx(0, abs=1e-12)
    assert found.mean == pytest.approx(np.cos(angles).mean())
    assert found.p1 == pytest.approx(np.cos(angles[99]))
    assert found.n == 101


def test_unpaired_embeddings_are_refused() -> None:
    with pytest.raises(EmbedgeError, match="E-PARITY"):
        cosines_of(np.ones((2, 3)), np.ones((3, 3)))


def test_nan_is_named() -> None:
    with pytest.raises(EmbedgeError, match="E-NAN"):
        cosines_of(np.ones((1, 2)), np.array([[np.nan, 1.0]]))
