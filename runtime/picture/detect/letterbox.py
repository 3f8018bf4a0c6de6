"""A picture scaled into a detector's input, top left, the rest black."""

import numpy as np
from PIL import Image

from embedge.runtime.picture.images import RgbImage

__all__ = ["letterbox"]


def letterbox(image: RgbImage, width: int, height: int) -> tuple[RgbImage, float]:
    """(canvas of height×width, scale from picture to canvas)."""
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    size = (max(1, int(columns * scale)), max(1, int(rows * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: size[1], : size[0]] = _resized(Image.fromarray(image), size)
    return canvas, scale


def _resized(image: Image.Image, size: tuple[int, int]) -> RgbImage:
    """Plain bilinear, as detectors are trained with; beyond a factor of two it skips pixels.

    Enlarging, pillow's resize is the same thing and several times as fast.
    """
    across, down = image.width / size[0], image.height / size[1]
    if max(across, down) <= 1 or max(across, down) > 2:
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    coefficients = (across, 0.0, 0.0, 0.0, down, 0.0)
    stretched = image.transform(
        size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(stretched)
