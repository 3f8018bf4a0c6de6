"""Lips, teeth and nostrils."""

import numpy as np

from embedge.train.render.identity import Identity, Mouth, Nose
from embedge.train.render.nuisance import Expression
from embedge.train.render.paint.canvas import Canvas
from embedge.train.render.surface.shapes import Floats, clamp, edge, rise, spot

__all__ = ["mouth_corner", "paint_mouth", "paint_nostrils"]


def mouth_corner(mouth: Mouth, expression: Expression) -> tuple[float, float]:
    """x (of the right one) and y of a corner of the mouth, on the undisplaced head."""
    wide = mouth.width * (1.0 + 0.16 * expression.smile - 0.1 * expression.jaw)
    return wide, mouth.y + mouth.droop - 0.09 * expression.smile


def paint_mouth(canvas: Canvas, person: Identity, expression: Expression) -> None:
    with canvas.window(0.0, person.mouth.y + 0.05, 0.75, 0.55) as part:
        _paint_lips(part, person.mouth, expression)


def _paint_lips(part: Canvas, mouth: Mouth, expression: Expression) -> None:
    soft = 1.3 * part.soft
    wide, corner = mouth_corner(mouth, expression)
    u = part.x / wide
    arch = 1.0 - u * u
    bent = np.clip(arch, 0.0, None)
    line = corner + (mouth.y - corner) * bent
    gap = 0.24 * max(0.0, expression.jaw) * bent + 0.06 * max(0.0, expression.smile - 0.5) * bent
    upper, lower = line - 0.3 * gap, line + 0.7 * gap
    thin = 1.0 - 0.22 * max(0.0, expression.smile)
    bow = 1.0 - mouth.bow * 0.5 * np.exp(-0.5 * (u / 0.16) ** 2) + 0.2 * u * u
    top = upper - mouth.upper * thin * np.sqrt(bent) * clamp(bow, 0.3, 1.4)
    bottom = lower + mouth.lower * thin * bent**0.8
    colour = np.asarray(expression.lipstick or mouth.colour, np.float32)
    inside = np.where(arch > 0, 1.0, 0.0).astype(np.float32)
    part.paint(edge(np.minimum(part.y - top, upper - part.y), soft) * inside, 0.82 * colour)
    part.paint(edge(np.minimum(part.y - lower, bottom - part.y), soft) * inside, colour)
    part.shine += 0.3 * edge(np.minimum(part.y - lower, bottom - part.y), soft) * inside
    _paint_cavity(part, upper, lower, inside, soft)
    seam = np.exp(-0.5 * ((part.y - upper) / 0.016) ** 2) * rise(arch, -0.05, 0.15)
    part.dim(1.0 - 0.6 * seam)
    part.dim(1.0 - 0.2 * spot(part.x, part.y - bottom - 0.06, 0.2, 0.04))


def _paint_cavity(part: Canvas, upper: Floats, lower: Floats, inside: Floats, soft: float) -> None:
    hollow = edge(np.minimum(part.y - upper, lower - part.y), soft) * inside
    open_here = clamp((lower - upper) / 0.04, 0.0, 1.0)
    part.paint(hollow * open_here, (0.05, 0.012, 0.012))
    teeth = edge(upper + 0.6 * (lower - upper) - part.y, soft) * hollow * open_here
    part.paint(0.9 * teeth, (0.6, 0.57, 0.5))


def paint_nostrils(canvas: Canvas, nose: Nose) -> None:
    with canvas.window(0.0, nose.length + 0.05, 0.45, 0.3) as part:
        side = np.abs(part.x - nose.skew)
        hole = spot(
            side - 0.55 * nose.wing_width, part.y - nose.length - 0.075, nose.nostril, 0.026
        )
        part.dim(1.0 - 0.8 * clamp(1.4 * hole, 0.0, 1.0))
        flank = spot(side - nose.wing_width - 0.07, part.y - nose.length - 0.02, 0.025, 0.07)
        part.dim(1.0 - 0.28 * flank)
