"""What every encoder shares: crops in, tensors of the contract, rows of length one out."""

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime.encoders import (
    checked_crops,
    features_from_crops,
    normalised,
    tensor_from_crops,
)

CROPS = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)


@pytest.mark.parametrize(
    "wrong", [CROPS[:, :100], CROPS.astype(np.float32), [CROPS[0], CROPS[1][:50]], CROPS[..., :1]]
)
def test_anything_but_crops_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(EmbedgeError, match="E-CROP"):
        checked_crops(wrong, 112)


def test_a_list_is_as_good_as_an_array_and_none_is_no_error() -> None:
    assert np.array_equal(checked_crops(list(CROPS), 112), CROPS)
    assert checked_crops([], 112).shape == (0, 112, 112, 3)


def test_the_tensor_is_the_contracts() -> None:
    rgb = tensor_from_crops(CROPS, tiny_contract(mean=127.5, std=128.0))
    assert rgb.shape == (5, 3, 112, 112)
    assert rgb[1, 2, 3, 4] == pytest.approx((CROPS[1, 3, 4, 2] - 127.5) / 128, abs=1e-6)
    bgr = tensor_from_crops(CROPS, tiny_contract(mean=127.5, std=128.0, colour="BGR"))
    assert np.array_equal(bgr, rgb[:, ::-1])


def test_batches_and_mirrored_pictures() -> None:
    sizes: list[int] = []

    def run(tensor: np.ndarray) -> np.ndarray:
        sizes.append(len(tensor))
        return tensor[:, 0, 0, :2]

    plain = features_from_crops(CROPS, tiny_contract(), run, batch=2)
    assert sizes == [2, 2, 1]
    summed = features_from_crops(CROPS, tiny_contract(flip="sum"), run, batch=2)
    mirrored = features_from_crops(CROPS[:, :, ::-1], tiny_contract(), run, batch=2)
    np.testing.assert_allclose(summed, plain + mirrored, atol=1e-6)
    assert features_from_crops(CROPS[:0], tiny_contract(7), run).shape == (0, 7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_row_without_a_direction_is_refused(bad: float) -> None:
    rows = np.ones((3, 4), np.float32)
    assert np.linalg.norm(normalised(rows), axis=1) == pytest.approx([1, 1, 1])
    rows[1] = bad
    with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
        normalised(rows)
