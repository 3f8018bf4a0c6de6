"""The one unit-row function, and the refusal before it."""

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders import normalised, unit_rows


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_get_length_one_in_their_own_precision(kind: type) -> None:
    rows: np.ndarray = (np.random.default_rng(0).normal(size=(50, 64)) * 7).astype(kind)
    found = unit_rows(rows)
    assert found.dtype == kind
    long = rows.astype(np.longdouble)
    expected = long / np.sqrt((long**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, expected, rtol=8 * float(np.finfo(kind).eps))


def test_a_row_without_direction_stays_and_is_refused_where_it_matters() -> None:
    rows = np.eye(3, 4, dtype=np.float32)
    rows[1] = 0
    np.testing.assert_array_equal(unit_rows(rows), rows)
    with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
        normalised(rows)


def test_both_give_the_same_bits() -> None:
    rows = np.random.default_rng(1).normal(size=(40, 512)).astype(np.float32)
    np.testing.assert_array_equal(normalised(rows), unit_rows(rows))
