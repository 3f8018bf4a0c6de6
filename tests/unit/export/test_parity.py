import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.export.parity import compare_embeddings


def test_cosine_of_known_angles():
    reference = np.tile([[2.0, 0.0]], (101, 1))
    angles = np.linspace(0, np.pi / 2, 101)
    found = compare_embeddings(reference, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.minimum == pytest.approx(0, abs=1e-12)
    assert found.mean == pytest.approx(np.cos(angles).mean())
    assert found.p1 == pytest.approx(np.cos(angles[99]))
    assert found.count == 101


def test_unpaired_embeddings_are_refused():
    with pytest.raises(EmbedgeError, match="E-PARITY"):
        compare_embeddings(np.ones((2, 3)), np.ones((3, 3)))


def test_nan_is_named():
    with pytest.raises(EmbedgeError, match="E-NAN"):
        compare_embeddings(np.ones((1, 2)), np.array([[np.nan, 1.0]]))
