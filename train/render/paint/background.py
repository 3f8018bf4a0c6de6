"""What stands behind the head."""

import numpy as np

from embedge.train.render.nuisance import Backdrop
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.shapes import Floats, clamp

__all__ = ["background"]


def background(backdrop: Backdrop, x: Floats, y: Floats, noise: Noise) -> Floats:
    """Linear RGB (3, n) at picture-plane coordinates."""
    here, there = backdrop.offset
    cosine, sine = float(np.cos(backdrop.angle)), float(np.sin(backdrop.angle))
    along, aside = cosine * x + sine * y, cosine * y - sine * x
    scale = backdrop.scale
    clouds = noise.smooth(scale * along + here, scale * aside + there)
    first, second, third = (np.asarray(c, np.float32)[:, None] ** 2 for c in backdrop.colours)
    picture: Floats = first + clamp(0.5 + 0.5 * clouds, 0.0, 1.0) * (second - first)
    if backdrop.stripes:
        bars = np.sin(backdrop.stripes * along + 0.6 * clouds)
        picture += clamp(4.0 * bars - 1.0, 0.0, 1.0) * (third - picture)
    return picture
