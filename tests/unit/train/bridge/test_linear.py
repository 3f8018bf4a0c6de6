import numpy as np
import pytest
from two_spaces import rotation, strangers, unit

from embedge.train.bridge.linear import Affine, Moments, averaged, orthogonal, ridge, summed


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    old, new = strangers(90)
    whole = Moments.of(old, new)
    parts = [Moments.of(old[n : n + 30], new[n : n + 30]) for n in (0, 30, 60)]
    for name in Moments.__slots__:
        assert np.allclose(getattr(summed(parts), name), getattr(whole, name), atol=1e-4)
        left = getattr(whole - parts[1] - parts[2], name)
        assert np.allclose(left, getattr(parts[0], name), atol=1e-4)


def test_ridge_is_the_minimum_that_gradients_find() -> None:
    """At the minimum no step in any direction lowers the penalised error."""
    old, new = strangers(200, (6, 4))
    penalty = np.diag([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = ridge(Moments.of(old, new), penalty)

    def loss(matrix: np.ndarray, offset: np.ndarray) -> float:
        rest = old @ matrix.T + offset - new
        return (rest**2).sum() / len(old) + np.trace(matrix @ penalty @ matrix.T)

    least = loss(found.matrix, found.offset)
    random = np.random.default_rng(0)
    for _ in range(50):
        step = random.normal(size=found.matrix.shape) * 1e-2
        assert loss(found.matrix + step, found.offset) > least
        assert loss(found.matrix, found.offset + random.normal(size=4) * 1e-2) > least


def test_a_rotation_is_found_again() -> None:
    turn = rotation(12, 3)
    old = unit(np.random.default_rng(1).normal(size=(300, 12)))
    found = orthogonal(Moments.of(old, (old @ turn.T).astype(np.float32)))
    assert np.allclose(found.matrix, turn, atol=1e-4)


@pytest.mark.parametrize("dims", [(12, 7), (7, 12)])
def test_between_dimensions_a_part_of_a_rotation(dims: tuple[int, int]) -> None:
    matrix = orthogonal(Moments.of(*strangers(300, dims))).matrix
    assert matrix.shape == dims[::-1]
    small = matrix @ matrix.T if dims[1] < dims[0] else matrix.T @ matrix
    assert np.allclose(small, np.eye(7), atol=1e-6)


def test_averaged_maps_answer_with_the_mean_of_their_answers() -> None:
    random = np.random.default_rng(4)
    maps = [Affine(random.normal(size=(3, 5)), random.normal(size=3)) for _ in range(3)]
    rows = random.normal(size=(20, 5)).astype(np.float32)
    wanted = np.mean([each(rows) for each in maps], axis=0)
    assert np.allclose(averaged(maps)(rows), wanted, atol=1e-5)
