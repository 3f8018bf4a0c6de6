"""Light on a surface: one lamp, a sky, a ground, and a highlight."""

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.nuisance import Light
from embedge.train.render.paint.canvas import Canvas
from embedge.train.render.surface.shapes import Floats, clamp

__all__ = ["flat_light", "lit"]

_VIEWER = np.array([0.0, 0.0, 1.0])


def lit(
    canvas: Canvas, normal: Floats, openness: Floats, light: Light, turn: NDArray[np.float64]
) -> Floats:
    """Linear radiance (3, n) of a painted surface; `normal` is in head coordinates."""
    lamp = np.asarray(light.direction)
    toward = (lamp @ turn).astype(np.float32)
    facing = toward @ normal
    lambert = np.clip(0.9 * facing + 0.1, 0.0, None) * np.minimum(openness + 0.1, 1.0)
    up = 0.5 - 0.5 * ((turn[1]).astype(np.float32) @ normal)
    key, fill, ground = (
        np.asarray(colour, np.float32)[:, None] for colour in (light.key, light.fill, light.ground)
    )
    sky = fill * openness
    radiance = canvas.colour * (key * lambert + sky * (up + ground * (1.0 - up)))
    half = lamp + _VIEWER
    half = ((half / np.linalg.norm(half)) @ turn).astype(np.float32)
    glance = clamp(half @ normal, 0.0, 1.0)
    glance *= glance
    glance *= glance
    broad = glance * glance * glance
    highlight = canvas.shine * (0.12 * broad + 0.3 * broad * broad * broad) * (facing > 0)
    lit_up: Floats = light.exposure * (radiance + key * highlight)
    return lit_up


def flat_light(light: Light) -> Floats:
    """What a surface facing the camera receives: for everything that is not the head."""
    ahead = light.direction[2]
    colours = [
        light.exposure * (key * ahead + 0.7 * fill) for key, fill in zip(light.key, light.fill)
    ]
    return np.asarray(colours, np.float32)
