"""From five landmarks to an aligned crop: a closed-form similarity and a bilinear warp."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.errors import EmbedgeError, ours
from embedge.runtime.picture.images import RgbImage

__all__ = ["aligned_crop", "similarity", "warped"]


_MIN_SPREAD = 2.0  # pixels, RMS distance of the landmarks from their mean
_MAX_UNEXPLAINED = 0.5  # share of the template's variance that no similarity can explain


def similarity(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """The 2×3 matrix of the least-squares similarity from `source` to `target` points.

    In the plane, with points as complex numbers, Umeyama's solution without reflection is
    t ≈ a·s + b with a = Σ conj(s)·t / Σ|s|² over centred points.
    """
    s, t = _complex(source), _complex(target)
    s_mean, t_mean = s.mean(), t.mean()
    s, t = s - s_mean, t - t_mean
    power = float(np.vdot(s, s).real)
    if not np.isfinite(power) or power < len(s) * _MIN_SPREAD**2:
        raise _degenerate("the landmarks coincide or are not numbers")
    a = np.vdot(s, t) / power
    explained = abs(a) ** 2 * power / np.vdot(t, t).real
    if explained < 1 - _MAX_UNEXPLAINED:
        raise _degenerate("the landmarks do not form a face")
    b = t_mean - a * s_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def aligned_crop(image: RgbImage, landmarks: ArrayLike, template: ArrayLike, size: int) -> RgbImage:
    """The face of `image`, warped so that its five `landmarks` fall on the `template`."""
    try:
        points = np.asarray(landmarks, dtype=np.float64)
    except ours((ValueError, TypeError)) as error:
        raise _degenerate(f"the landmarks are not five pairs of numbers ({error})") from error
    if points.shape != (5, 2):
        raise _degenerate(f"expected five (x, y) points, got an array of shape {points.shape}")
    height, width = image.shape[:2]
    reach = 2.0 * max(height, width)
    if not (np.abs(points) < reach).all():
        raise _degenerate("the landmarks lie far outside the picture")
    return warped(image, similarity(points, template), size)


def warped(image: RgbImage, matrix: NDArray[np.float64], size: int) -> RgbImage:
    """A size×size crop: `matrix` maps picture to crop, bilinear, black outside.

    Rounded to the nearest grey level, where pillow's own affine transform truncates.
    """
    x, y = _sources(matrix, size, image.shape)
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    part = _padded_part(image, column, row)
    width = part.shape[1]
    corner = ((row - row.min()) * width + column - column.min()).ravel()
    pixels = part.reshape(-1, 3)
    across = (x - column).astype(np.float32).reshape(-1, 1)
    down = (y - row).astype(np.float32).reshape(-1, 1)
    upper = _between(pixels.take(corner, 0), pixels.take(corner + 1, 0), across)
    lower = _between(pixels.take(corner + width, 0), pixels.take(corner + width + 1, 0), across)
    crop = upper + down * (lower - upper) + np.float32(0.5)
    return crop.astype(np.uint8).reshape(size, size, 3)


def _sources(
    matrix: NDArray[np.float64], size: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each pixel of the crop comes from; whatever is outside stays one pixel away."""
    rotation = np.linalg.inv(matrix[:, :2])
    shift = -rotation @ matrix[:, 2]
    steps = np.arange(size)
    x = rotation[0, 0] * steps[None, :] + (rotation[0, 1] * steps[:, None] + shift[0])
    y = rotation[1, 0] * steps[None, :] + (rotation[1, 1] * steps[:, None] + shift[1])
    return np.clip(x, -1, shape[1]), np.clip(y, -1, shape[0])


def _padded_part(image: RgbImage, column: NDArray[np.intp], row: NDArray[np.intp]) -> RgbImage:
    """The part of the picture that is read, with black where it sticks out."""
    left, top = int(column.min()), int(row.min())
    right, bottom = int(column.max()) + 2, int(row.max()) + 2
    part = np.zeros((bottom - top, right - left, 3), np.uint8)
    inside = image[max(top, 0) : bottom, max(left, 0) : right]
    down, across = max(-top, 0), max(-left, 0)
    part[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return part


def _between(one: RgbImage, other: RgbImage, share: NDArray[np.float32]) -> NDArray[np.float32]:
    start = one.astype(np.float32)
    blend: NDArray[np.float32] = start + share * (other - start)
    return blend


def _complex(points: ArrayLike) -> NDArray[np.complex128]:
    pairs = np.asarray(points, dtype=np.float64)
    return pairs[:, 0] + 1j * pairs[:, 1]


def _degenerate(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-LANDMARKS",
        what,
        remedy="Give left eye, right eye, nose, left and right mouth corner as seen in the"
        " picture, in pixels",
    )
