"""Rays against surfaces that can be solved on paper, and tables against naive interpolation."""

import numpy as np
import pytest

from embedge.train.render.surface.chart import CHART
from embedge.train.render.surface.lookup import bilinear, bilinear_wrapped, nearest
from embedge.train.render.surface.march import march, surface_at
from embedge.train.render.surface.relief import Relief

SHAPE = (112, 128)
PIXEL = 3.6 / 128


def ball(height: float) -> Relief:
    """A head without features, `height` above the unit sphere everywhere."""
    flat = np.zeros(CHART, np.float32)
    return Relief(flat + np.float32(height), flat, flat, flat + np.float32(1.0))


def rays() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-1.6 : 1.6 : SHAPE[0] * 1j, -1.8 : 1.8 : SHAPE[1] * 1j].reshape(2, -1)
    origin = np.array([0.0, 0.0, 9.0], np.float32)
    directions = np.stack([x, y, np.full_like(x, -9.0)]).astype(np.float32)
    return origin, directions / np.linalg.norm(directions, axis=0)


@pytest.mark.parametrize("height", [0.0, 0.15, -0.2])
def test_a_ball_is_hit_where_it_is(height: float) -> None:
    origin, directions = rays()
    travel, gap = march(origin, directions, SHAPE, ball(height))
    along = -(origin @ directions)
    radius = 1.0 + height
    inside = radius**2 - (origin @ origin - along**2)
    expected = along - np.sqrt(np.maximum(inside, 0.0))
    error = np.abs(travel - expected)
    assert (inside > 0.1).sum() > 2000
    assert error[inside > 0.1].max() < 2 * PIXEL  # grazing: half a radius deep at most
    assert error[inside > 0.3].max() < 0.4 * PIXEL
    assert np.median(error[inside > 0.3]) < 1e-4
    assert gap[inside > 0.1].max() < 0.5 * PIXEL


def test_rays_that_miss_know_by_how_much() -> None:
    origin, directions = rays()
    _, gap = march(origin, directions, SHAPE, ball(0.0))
    along = -(origin @ directions)
    closest = np.sqrt(origin @ origin - along**2)
    misses = closest > 1.01
    assert misses.sum() > 2000
    error = np.abs(gap[misses] - (closest[misses] - 1.0))
    assert error.max() < 1.5 * PIXEL
    assert np.quantile(error, 0.95) < 0.1 * PIXEL


def test_normals_of_an_ellipsoid() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(3, 200)).astype(np.float32)
    direction[2] = np.abs(direction[2]) + 0.3
    direction /= np.linalg.norm(direction, axis=0)
    axes = np.array([1.2, 2.3, 1.5], np.float32)
    normal = surface_at(direction, axes, ball(0.0)).normal
    expected = direction / axes[:, None]
    expected /= np.linalg.norm(expected, axis=0)
    assert np.abs(normal - expected).max() < 1e-5


def naive(table: np.ndarray, x: float, y: float) -> float:
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - left, y - top
    rows = [(1 - fx) * table[r, left] + fx * table[r, left + 1] for r in (top, top + 1)]
    return (1 - fy) * rows[0] + fy * rows[1]


def test_bilinear_against_the_formula() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(9, 13)).astype(np.float32)
    x, y = rng.uniform(0, 11.9, 300).astype("f4"), rng.uniform(0, 7.9, 300).astype("f4")
    expected = [naive(table, *place) for place in zip(x, y)]
    assert np.allclose(bilinear(table, x, y), expected, atol=1e-5)
    outside = np.array([-5, 99], np.float32)
    assert bilinear(table, outside, outside) == pytest.approx(
        [table[0, 0], table[-1, -1]], abs=0.01
    )


def test_wrapped_tables_repeat() -> None:
    rng = np.random.default_rng(2)
    table = np.pad(rng.normal(size=(8, 8)), (0, 1), mode="wrap").astype(np.float32)
    x, y = (rng.uniform(0, 7.9, 100).astype("f4") for _ in range(2))
    expected = [naive(table, *place) for place in zip(x, y)]
    for shift in (0, 8, -8, 80):
        assert np.allclose(bilinear_wrapped(table, x + shift, y - shift), expected, atol=1e-4)


def test_nearest() -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    x, y = np.array([[0.4, 2.6, 9], [0.4, 1.4, -3]], np.float32)
    assert nearest(table, x, y).tolist() == [0, 7, 3]
