"""Hair on the head, and the long hair, neck and shoulders behind it."""

import numpy as np

from embedge.train.render.identity import Hair, Identity
from embedge.train.render.paint.canvas import Canvas, Window
from embedge.train.render.surface.hairline import hair_cover
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.shapes import Floats, clamp, edge, rise

__all__ = ["hang_behind", "paint_hair"]

_THROAT = 0.7  # where the neck begins, hidden by the head
_REACH = 0.2  # how far strands may stray over the hairline, on the chart


def paint_hair(canvas: Canvas, hair: Hair, noise: Noise) -> None:
    near = hair_cover(hair, canvas.across, canvas.down, softness=_REACH) > 0.0
    with Window(canvas, np.flatnonzero(near)) as part:
        _paint_strands(part, hair, noise)


def _paint_strands(part: Canvas, hair: Hair, noise: Noise) -> None:
    here, there = hair.texture
    strands = noise.fine(0.55 * part.across + here, 0.1 * part.down + there)
    curls = noise.medium(0.8 * part.across + there, 0.8 * part.down + here)
    grain = (1.0 - hair.curl) * strands + hair.curl * curls
    across = part.across + 0.015 * grain
    down = part.down + 0.012 * grain
    cover = hair.amount * hair_cover(hair, across, down, softness=0.035)
    part.paint(cover, _shade(hair, grain))
    part.shine *= 1.0 - 0.6 * cover


def _shade(hair: Hair, grain: Floats) -> Floats:
    grey = hair.grey * clamp(0.7 + 0.3 * grain, 0.0, 1.0)
    tone = clamp(1.0 + hair.contrast * grain, 0.2, 2.2)
    colour = np.asarray(hair.colour, np.float32)[:, None] * tone
    shade: Floats = colour + grey * (0.42 - colour)
    return shade


def hang_behind(
    picture: Floats,
    x: Floats,
    y: Floats,
    person: Identity,
    clothes: tuple[float, float, float],
    light: Floats,
    noise: Noise,
    soft: float,
) -> None:
    """Paint neck, clothes and long hair onto the background; x, y already turn with the head."""
    lamp = light[:, None]
    if person.hair.length > 0.25:
        _hang_hair(picture, x, y, person, lamp, noise, soft)
    low = np.flatnonzero(y > _THROAT)
    part = picture.take(low, axis=1)
    _dress(part, x.take(low), y.take(low), person, clothes, lamp, soft)
    for channel, values in zip(picture, part):
        channel[low] = values


def _dress(
    picture: Floats,
    x: Floats,
    y: Floats,
    person: Identity,
    clothes: tuple[float, float, float],
    lamp: Floats,
    soft: float,
) -> None:
    side = np.abs(x)
    neck = edge(0.62 * person.skull.width - side, 2 * soft) * rise(y, _THROAT, 0.9)
    shadow = 0.25 + 0.5 * rise(y, 1.7, 3.2)
    _blend(picture, neck, np.asarray(person.skin.colour, np.float32)[:, None] * lamp * shadow)
    collar = edge(y - 2.45 - 0.3 * np.abs(side - 0.5) * (side < 1.6) - 0.15 * side, 2 * soft)
    cloth = np.asarray(clothes, np.float32)[:, None] * lamp
    _blend(picture, collar * edge(3.4 - side, 0.3), cloth)


def _hang_hair(
    picture: Floats, x: Floats, y: Floats, person: Identity, lamp: Floats, noise: Noise, soft: float
) -> None:
    hair = person.hair
    reach = min(2.6, 1.1 + 1.6 * hair.length)
    crown = np.sqrt(clamp(1.0 - (np.clip(-y, 0.0, None) / 2.0) ** 2, 0.0, 1.0))
    wide = person.skull.width * (1.02 + 1.3 * hair.volume) * crown
    grain = noise.fine(0.12 * x + hair.texture[0], 0.02 * y + hair.texture[1])
    cover = edge(wide - np.abs(x) + 0.02 * grain, 2 * soft) * edge(reach - y, 0.2)
    _blend(picture, cover, 0.55 * lamp * _shade(hair, grain))


def _blend(picture: Floats, cover: Floats, colour: Floats) -> None:
    picture += cover * (colour - picture)
