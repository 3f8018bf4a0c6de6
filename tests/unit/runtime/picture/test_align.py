"""The similarity is Umeyama's; the warp is the plain bilinear one."""

from typing import Any

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.align import aligned_crop, similarity, warped

TEMPLATE = np.array(ARCFACE_112)


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The textbook solution through the SVD."""
    s, t = source - source.mean(0), target - target.mean(0)
    u, d, v = np.linalg.svd(t.T @ s / len(s))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u @ sign @ v
    scale = (d * np.diag(sign)).sum() / (s**2).sum() * len(s)
    shift = target.mean(0) - scale * rotation @ source.mean(0)
    return np.column_stack([scale * rotation, shift])


def naive_warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Bilinear with black outside, one pixel at a time."""
    padded = np.zeros((image.shape[0] + 4, image.shape[1] + 4, 3))
    padded[2:-2, 2:-2] = image
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    out = np.zeros((size, size, 3))
    for y in range(size):
        for x in range(size):
            u, v, _ = inverse @ (x, y, 1)
            i, j = int(np.floor(v)), int(np.floor(u))
            if not (-2 <= i < image.shape[0] + 1 and -2 <= j < image.shape[1] + 1):
                continue
            fy, fx = v - i, u - j
            a, b, c, d = padded[i + 2 : i + 4, j + 2 : j + 4].reshape(4, 3)
            out[y, x] = (1 - fy) * ((1 - fx) * a + fx * b) + fy * ((1 - fx) * c + fx * d)
    return out


def test_similarity_equals_umeyama() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        angle, scale = random.uniform(-3, 3), random.uniform(0.3, 4)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = TEMPLATE @ turn.T + random.uniform(-50, 300, 2)
        points += random.normal(size=(5, 2)) * scale * 3
        ours = similarity(points, TEMPLATE)
        assert np.abs(ours - umeyama(points, TEMPLATE)).max() < 1e-9


def test_exact_points_are_mapped_exactly() -> None:
    points = TEMPLATE * 2.5 + (10, -3)
    matrix = similarity(points, TEMPLATE)
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], TEMPLATE)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_warp_equals_the_naive_bilinear_one(angle: float) -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (90, 70, 3), dtype=np.uint8)
    matrix = np.array(
        [[np.cos(angle), -np.sin(angle), 31.3], [np.sin(angle), np.cos(angle), 12.7]]
    ) * [[0.8], [0.8]]
    difference = np.abs(warped(image, matrix, 64) - naive_warp(image, matrix, 64))
    assert difference.max() <= 0.51  # rounding to integers only


def test_identity_alignment_returns_the_picture() -> None:
    image = np.random.default_rng(2).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert np.array_equal(aligned_crop(image, TEMPLATE, TEMPLATE, 112), image)


def test_a_flipped_picture_gives_the_flipped_crop() -> None:
    image = np.random.default_rng(3).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    symmetric = (TEMPLATE + (np.array([111, 0]) - TEMPLATE * (1, -1))[[1, 0, 2, 4, 3]]) / 2
    points = symmetric * 1.4 + (20, 15)
    mirrored = (np.array([199, 0]) - points * (1, -1))[[1, 0, 2, 4, 3]]
    one = aligned_crop(image, points, symmetric, 112).astype(int)
    other = aligned_crop(image[:, ::-1], mirrored, symmetric, 112)[:, ::-1]
    assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((5, 2)),
        np.full((5, 2), np.nan),
        np.full((5, 2), 1e300),
        TEMPLATE * 1e6,
        TEMPLATE[[1, 0, 2, 4, 3]],  # left and right swapped
        TEMPLATE[:4],
        TEMPLATE.ravel(),
        [[50, 50 + i] for i in range(5)],  # a line, downwards
    ],
    ids=["same", "nan", "huge", "far", "swapped", "four", "flat", "line"],
)
def test_degenerate_landmarks_are_refused(points: Any) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    with pytest.raises(EmbedgeError, match="E-LANDMARKS"):
        aligned_crop(image, points, TEMPLATE, 112)


def test_profiles_are_not_degenerate() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    profile = (TEMPLATE - 56) * (0.35, 1) + 100
    assert aligned_crop(image, profile, TEMPLATE, 112).shape == (112, 112, 3)
