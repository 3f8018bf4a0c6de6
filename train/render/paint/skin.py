"""Skin: tone, mottling, freckles, moles, stains, wrinkles, beard."""

import numpy as np

from embedge.train.render.identity import Identity, Skin
from embedge.train.render.nuisance import Expression
from embedge.train.render.paint.canvas import Canvas, Window
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.shapes import Floats, clamp, edge, length, rise, spot

__all__ = ["paint_beard", "paint_skin"]


def paint_skin(canvas: Canvas, person: Identity, expression: Expression, noise: Noise) -> None:
    skin = person.skin
    x, y = canvas.x, canvas.y
    canvas.colour[:] = np.asarray(skin.colour, np.float32)[:, None]
    here, there = skin.texture
    canvas.dim(1.0 + skin.mottle * noise.blotches(0.21 * x + here, 0.21 * y + there))
    if skin.blush:
        _paint_blush(canvas, skin)
    if skin.freckles:
        _paint_freckles(canvas, skin, noise)
    if skin.stain:
        _paint_stain(canvas, skin, noise)
    if skin.marks:
        _paint_marks(canvas, skin.marks)
    _paint_folds(canvas, person, expression)
    canvas.shine[:] = skin.gloss


def _paint_blush(canvas: Canvas, skin: Skin) -> None:
    cheeks = spot(np.abs(canvas.x) - 0.55, canvas.y - 0.6, 0.22, 0.2)
    nose = spot(canvas.x, canvas.y - 0.6, 0.15, 0.14)
    glow = (0.9 * skin.blush) * (cheeks + 0.6 * nose) * canvas.front
    canvas.colour[1] *= 1.0 - glow
    canvas.colour[2] *= 1.0 - glow


def _paint_freckles(canvas: Canvas, skin: Skin, noise: Noise) -> None:
    here, there = skin.texture
    grains = noise.medium(0.42 * canvas.x + there, 0.42 * canvas.y + here)
    field = spot(np.abs(canvas.x) - 0.35, canvas.y - 0.45, 0.4, 0.3)
    cover = clamp(grains - 0.7, 0.0, 1.0) * field * canvas.front
    red, green, blue = skin.colour
    canvas.paint(skin.freckles * cover, (red * 0.45, green * 0.3, blue * 0.22))


def _paint_stain(canvas: Canvas, skin: Skin, noise: Noise) -> None:
    assert skin.stain is not None
    x, y, radius, depth = skin.stain
    with canvas.window(x, y, 2 * radius, 2 * radius) as part:
        wobble = noise.smooth(0.3 * part.x + skin.texture[1], 0.3 * part.y)
        distance = length(part.x - x, part.y - y) * (1.0 + 0.3 * wobble)
        cover = depth * rise(distance, radius * 1.15, radius * 0.85)
        red, green, blue = skin.colour
        part.paint(2.0 * cover, (red * 0.7, green * 0.35, blue * 0.35))


def _paint_marks(canvas: Canvas, marks: tuple[tuple[float, float, float, float], ...]) -> None:
    near = np.zeros(len(canvas.x), bool)
    for x, y, radius, _ in marks:
        near |= length(canvas.x - x, canvas.y - y) < radius + 2 * canvas.soft
    near &= canvas.front > 0
    with Window(canvas, np.flatnonzero(near)) as part:
        for x, y, radius, darkness in marks:
            inside = radius - length(part.x - x, part.y - y)
            part.paint(darkness * edge(inside, 2 * part.soft), (0.035, 0.015, 0.01))


def _paint_folds(canvas: Canvas, person: Identity, expression: Expression) -> None:
    """Lines beside the mouth, on the forehead, beside the eyes: age, and smiling."""
    age, mouth, nose = person.skin.age, person.mouth, person.nose
    smile = max(0.0, expression.smile)
    side = np.abs(canvas.x)
    with canvas.window(0.0, nose.length + 0.3, 0.85, 0.5) as part:
        t = (part.y - nose.length + 0.05) / (mouth.y + 0.1 - nose.length)
        line = nose.wing_width + 0.07 + (mouth.width - 0.02 + 0.06 * smile) * t * 0.62
        along = clamp(4.0 * t * (1.05 - t), 0.0, 1.0)
        part.dim(
            1.0 - min(0.5, 0.14 + 0.28 * age + 0.2 * smile) * along * _line(np.abs(part.x) - line)
        )
    if age > 0.3:
        waves = clamp(np.sin(30.0 * canvas.y + 1.2 * np.cos(2.2 * canvas.x)) - 0.45, 0.0, 1.0)
        canvas.dim(1.0 - 0.3 * age * waves * spot(side, canvas.y + 0.72, 0.5, 0.15))
        feet = clamp(np.sin(38.0 * canvas.y - 9.0 * (side - 0.8)) - 0.4, 0.0, 1.0)
        canvas.dim(1.0 - 0.3 * age * feet * spot(side - 0.88, canvas.y, 0.09, 0.12))


def _line(distance: Floats) -> Floats:
    bell: Floats = np.exp(-0.5 * (distance / 0.035) ** 2)
    return bell


def paint_beard(canvas: Canvas, person: Identity, noise: Noise) -> None:
    skin, mouth, nose = person.skin, person.mouth, person.nose
    if not (skin.beard or skin.moustache or skin.goatee):
        return
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    border = skin.beard_edge + 0.42 - 0.75 * clamp(side - 0.25, 0.0, 1.1)
    cover = skin.beard * rise(y - border, -0.08, 0.14)
    middle = (nose.length + 0.16 + mouth.y - mouth.upper) / 2
    sag = 0.25 * clamp(side - 0.1, 0.0, 1.0)
    lip = edge(mouth.width * 1.15 - side, 0.12) * rise(np.abs(y - sag - middle), 0.11, 0.07)
    cover = np.maximum(cover, skin.moustache * lip)
    chin = edge(0.3 - side, 0.12) * rise(y, mouth.y + mouth.lower, mouth.y + mouth.lower + 0.15)
    cover = np.maximum(cover, skin.goatee * chin)
    grain = noise.fine(0.9 * x + skin.texture[0], 0.45 * y)
    cover = clamp(cover * (1.0 + 0.22 * grain), 0.0, 0.95) * (canvas.front > 0)
    grey = person.hair.grey
    red, green, blue = (0.7 * ((1 - grey) * c + 0.4 * grey) for c in person.hair.colour)
    canvas.paint(cover, (red, green, blue))
    canvas.shine *= 1.0 - 0.8 * cover
