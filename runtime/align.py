"""From five landmarks to an aligned crop: a closed-form similarity and a bilinear warp."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.images import RgbImage

__all__ = ["aligned_crop", "arcface_template", "similarity", "warped"]

Points = NDArray[np.float64]

_MIN_SPREAD = 2.0  # pixels, RMS distance of the landmarks from their mean
_MAX_UNEXPLAINED = 0.5  # share of the template's variance that no similarity can explain


def arcface_template(size: int) -> tuple[tuple[float, float], ...]:
    """The five ArcFace points at `size`: multiples of 112, or of 128 (8 pixels more each side)."""
    if size % 112 == 0:
        scale, shift = size / 112, 0.0
    elif size % 128 == 0:
        scale, shift = size / 128, 8.0
    else:
        raise EmbedgeError(
            "E-TEMPLATE",
            f"the five-point template is defined for multiples of 112 and 128, not {size}",
            remedy="Choose 112 or 128",
        )
    return tuple((scale * (x + shift), scale * y) for x, y in ARCFACE_112)


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
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2):
        raise _degenerate(f"expected five (x, y) points, got an array of shape {points.shape}")
    height, width = image.shape[:2]
    reach = 2.0 * max(height, width)
    if not (np.abs(points) < reach).all():
        raise _degenerate("the landmarks lie far outside the picture")
    return warped(image, similarity(points, template), size)


def warped(image: RgbImage, matrix: NDArray[np.float64], size: int) -> RgbImage:
    """A size×size crop: `matrix` maps picture to crop, bilinear, black outside."""
    rotation = np.linalg.inv(matrix[:, :2])
    shift = -rotation @ matrix[:, 2]
    left, top, right, bottom = _needed_box(rotation, shift, size, image.shape)
    # cropping pads with black, so that the border blends to black as OpenCV's does
    part = Image.fromarray(image).crop((left, top, right, bottom))
    # pillow counts from pixel corners, the landmarks from pixel centres
    offset = shift + 0.5 - rotation @ (0.5, 0.5) - (left, top)
    coefficients = (*rotation[0], offset[0], *rotation[1], offset[1])
    crop = part.transform(
        (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.array(crop)


def _needed_box(
    rotation: NDArray[np.floating], shift: NDArray[np.floating], size: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """The part of the picture the crop reads, with a border of two pixels."""
    end = size - 1
    corners = np.array([(0, 0), (end, 0), (0, end), (end, end)]) @ rotation.T + shift
    limit = np.array([shape[1], shape[0]]) + 2
    low = np.clip(np.floor(corners.min(axis=0)) - 2, -2, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 3, low + 1, limit).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


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
