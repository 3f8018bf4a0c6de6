"""Eyes and eyebrows."""

import numpy as np

from embedge.train.render.identity import Identity
from embedge.train.render.nuisance import Expression
from embedge.train.render.paint.canvas import Canvas
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.shapes import Floats, clamp, edge, length, rise, spot

__all__ = ["paint_brows", "paint_eyes"]


def paint_eyes(canvas: Canvas, person: Identity, expression: Expression) -> None:
    with canvas.twin_windows(person.eyes.distance / 2, 0.0, 0.4, 0.4) as part:
        _paint_both(part, person, expression)


def _paint_both(part: Canvas, person: Identity, expression: Expression) -> None:
    eyes, soft = person.eyes, part.soft
    across = np.abs(part.x) - eyes.distance / 2  # grows outwards, on both sides
    v = part.y + eyes.tilt * across
    u = across / eyes.width
    arch = 1.0 - u * u
    lids = expression.lids * (1.0 - 0.25 * max(0.0, expression.smile))
    upper = -eyes.opening * lids * arch * (1.0 + 0.2 * u)
    lower = eyes.lower * min(1.0, 0.5 + 0.5 * lids) * arch * (1.0 - 0.15 * u)
    bags = spot(across, v - 0.17, 0.17, 0.045)
    part.dim(1.0 - min(0.6, eyes.bags) * bags)
    part.dim(1.0 - 0.35 * spot(across + 0.2, v + 0.03, 0.1, 0.09))
    crease = np.exp(-0.5 * ((v - upper + 0.055 + eyes.hood) / 0.02) ** 2)
    part.dim(1.0 - 0.45 * eyes.crease * crease * rise(arch, -0.1, 0.3))
    inside = edge(np.minimum(v - upper, lower - v), 1.2 * soft)
    _paint_ball(part, person, expression, across * np.sign(part.x), v, upper, inside)
    lash = np.exp(-0.5 * ((v - upper) / (0.012 + 0.014 * eyes.lashes)) ** 2)
    part.paint(clamp(0.95 * lash * rise(arch, -0.12, 0.12), 0.0, 1.0), (0.012, 0.008, 0.006))
    rim = np.exp(-0.5 * ((v - lower) / 0.014) ** 2) * rise(arch, 0.0, 0.2)
    part.dim(1.0 - 0.4 * rim)


def _paint_ball(
    part: Canvas,
    person: Identity,
    expression: Expression,
    across: Floats,
    v: Floats,
    upper: Floats,
    inside: Floats,
) -> None:
    eyes, soft = person.eyes, part.soft
    white = 0.62 * (0.55 + 0.45 * rise(v - upper, 0.0, 0.07))
    part.paint(inside, np.stack([white, 0.95 * white, 0.92 * white]))
    radius = length(across - expression.gaze[0], v + 0.015 - expression.gaze[1])
    iris = edge(eyes.iris - radius, 1.2 * soft) * inside
    ring = 0.45 + 0.55 * rise(eyes.iris - radius, 0.0, 0.03)
    part.paint(iris, np.asarray(eyes.colour, np.float32)[:, None] * ring)
    part.paint(edge(0.4 * eyes.iris - radius, 1.2 * soft) * inside, (0.005, 0.005, 0.005))
    glint = spot(across - expression.gaze[0] - 0.03, v + 0.045, 0.016, 0.016)
    part.paint(0.9 * clamp(glint, 0, 1) * inside, (0.95, 0.95, 0.95))


def paint_brows(canvas: Canvas, person: Identity, expression: Expression, noise: Noise) -> None:
    brows = person.brows
    middle = person.eyes.distance / 2 + brows.gap
    with canvas.twin_windows(middle, -brows.height, brows.length + 0.05, 0.3) as part:
        _paint_both_brows(part, person, expression, noise)


def _paint_both_brows(part: Canvas, person: Identity, expression: Expression, noise: Noise) -> None:
    brows = person.brows
    u = (np.abs(part.x) - person.eyes.distance / 2 - brows.gap) / brows.length
    line = -brows.height - expression.brows - brows.tilt * brows.length * u
    line = line - brows.arch * (1.0 - (u - 0.25) ** 2)
    taper = clamp(1.0 - 0.55 * clamp(u + 0.3, 0.0, 2.0), 0.25, 1.0)
    thickness = brows.thickness * taper
    cover = edge(thickness - np.abs(part.y - line), 0.03 + part.soft)
    cover = cover * edge((1.0 - np.abs(u)) * brows.length, 0.08)
    hairs = noise.fine(0.7 * part.x + np.sign(part.x) * part.y, 0.35 * part.y)
    cover = clamp(cover * brows.strength * (1.0 + 0.2 * hairs), 0.0, 0.95)
    part.paint(cover, brows.colour)
