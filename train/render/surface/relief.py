"""The relief of a face: displacement of the head's ellipsoid, as a table over the chart."""

from dataclasses import dataclass

import numpy as np

from embedge.train.render.identity import Identity, Mouth, Nose, Skull
from embedge.train.render.surface.chart import CHART, COLUMNS, ROWS, Grid, at, chart_grid, texel
from embedge.train.render.surface.hairline import hair_cover
from embedge.train.render.surface.lookup import bilinear, corners_of, nearest
from embedge.train.render.surface.shapes import Floats, bell, clamp, rise

__all__ = ["Relief", "resting_relief", "smiling_relief"]


@dataclass(frozen=True, slots=True)
class Relief:
    """Displacement, its derivatives across and down, and openness to the sky, over the chart."""

    height: Floats
    across: Floats
    down: Floats
    openness: Floats

    def rough(self, across: Floats, down: Floats) -> Floats:
        return nearest(self.height, *texel(across, down))

    def fine(self, across: Floats, down: Floats) -> Floats:
        return bilinear(self.height, *texel(across, down))

    def slopes(self, across: Floats, down: Floats) -> tuple[Floats, Floats, Floats]:
        """Derivatives and openness."""
        corners = corners_of(self.height.shape, *texel(across, down))
        return corners.blend(self.across), corners.blend(self.down), corners.blend(self.openness)


def resting_relief(person: Identity) -> Relief:
    """The relief of a face at rest: the costly part, and the same in all pictures of a person."""
    sculpture = _Sculpture(person.skull)
    _carve_skull(sculpture, person.skull)
    _carve_eyes(sculpture, person)
    _carve_nose(sculpture, person.nose)
    _carve_mouth(sculpture, person.mouth)
    height = sculpture.height()
    grid = sculpture.grid
    hair = person.hair
    if hair.volume:
        cover = hair_cover(hair, grid.across[None, :], grid.down[:, None], softness=0.09)
        height = height + hair.volume * hair.amount * cover
    openness = clamp(1.0 + 6.0 * (height - _blurred(height)), 0.5, 1.12)
    return Relief(height, *_derivatives(height), openness)


def smiling_relief(resting: Relief, person: Identity, smile: float) -> Relief:
    """The same face smiling: cheeks rise, corners of the mouth sink in."""
    if smile <= 0.0:
        return resting
    sculpture, mouth = _Sculpture(person.skull), person.mouth
    sculpture.pair(0.04 * smile, 0.6, 0.62, 0.16, 0.13)
    sculpture.pair(-0.02 * smile, mouth.width + 0.1, mouth.y - 0.1, 0.07, 0.12)
    change = sculpture.height()
    across, down = _derivatives(change)
    return Relief(
        resting.height + change, resting.across + across, resting.down + down, resting.openness
    )


def _derivatives(height: Floats) -> tuple[Floats, Floats]:
    across, down = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=across[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=down[1:-1])
    across *= COLUMNS / 2.0
    down *= ROWS / 2.0
    return across, down


class _Sculpture:
    """Collects products of a function of `across` and one of `down`; summed by one matmul."""

    def __init__(self, skull: Skull) -> None:
        self.grid: Grid = chart_grid()
        self.skull = skull
        self._across: list[Floats] = []
        self._down: list[Floats] = []
        self._bumps: list[tuple[float, float, float, float, float]] = []

    def add(self, amount: float, across: Floats, down: Floats) -> None:
        self._across.append(across)
        self._down.append(amount * down)

    def height(self) -> Floats:
        amount, u, v, wide, high = np.array(self._bumps, np.float32).T[:, :, None]
        across = np.vstack([bell(self.grid.across, u, wide), *self._across])
        down = np.vstack([amount * bell(self.grid.down, v, high), *self._down])
        height: Floats = down.T @ across
        return height

    def chart_bump(self, amount: float, u: float, v: float, wide: float, high: float) -> None:
        """A bell at chart coordinates (u, v)."""
        self._bumps.append((amount, u, v, wide, high))

    def chart_pair(self, amount: float, u: float, v: float, wide: float, high: float) -> None:
        self.chart_bump(amount, u, v, wide, high)
        self.chart_bump(amount, -u, v, wide, high)

    def bump(self, amount: float, x: float, y: float, wide: float, high: float) -> None:
        """A bell seen at (x, y) from the front, with its standard deviations in pupil distances."""
        across, down = at(self.skull, x, y)
        stretch = 2.0 * self.skull.width * (1.0 - down * down) ** 0.5
        self.chart_bump(amount, across, down, wide / stretch, high / self.skull.height)

    def pair(self, amount: float, x: float, y: float, wide: float, high: float) -> None:
        self.bump(amount, x, y, wide, high)
        self.bump(amount, -x, y, wide, high)


def _carve_skull(sculpture: _Sculpture, skull: Skull) -> None:
    across, down = sculpture.grid
    everywhere = np.ones_like(across)
    sides = 1.0 - bell(across, 0.0, 0.42)
    sculpture.add(-skull.jaw_taper, sides, rise(down, 0.28, 0.85))
    sculpture.add(-0.5, everywhere, rise(down, 0.82, 1.0))
    sculpture.add(-0.2, everywhere, rise(-down, 0.5, 1.0))
    sculpture.chart_bump(skull.chin, 0.0, skull.chin_y, skull.chin_width, 0.065)
    sculpture.chart_bump(-skull.cleft, 0.0, skull.chin_y, 0.014, 0.035)
    sculpture.chart_pair(skull.jaw_corner, 0.75, 0.45, 0.16, 0.09)
    sculpture.chart_pair(skull.cheekbone, 0.44, skull.cheekbone_y / skull.height, 0.13, 0.07)
    sculpture.chart_pair(skull.cheek, 0.31, 0.42, 0.12, 0.09)
    sculpture.chart_bump(skull.forehead, 0.0, -0.33, 0.36, 0.12)
    sculpture.chart_pair(-skull.temple, 0.62, -0.1, 0.13, 0.12)
    sculpture.chart_pair(skull.ear, 1.02, skull.ear_y, 0.06, 0.075)


def _carve_eyes(sculpture: _Sculpture, person: Identity) -> None:
    eye = person.eyes.distance / 2
    skull = person.skull
    sculpture.pair(skull.brow_ridge, eye * 0.85, 0.06 - person.brows.height, 0.26, 0.07)
    sculpture.pair(-skull.socket, eye * 0.95, 0.0, 0.21, 0.15)
    sculpture.pair(0.035, eye, 0.0, 0.11, 0.085)
    sculpture.pair(0.06 * person.eyes.bags, eye, 0.2, 0.14, 0.05)


def _carve_nose(sculpture: _Sculpture, nose: Nose) -> None:
    skull_height = sculpture.skull.height
    down = sculpture.grid.down
    tip = nose.length / skull_height
    plateau = rise(down, -0.09, 0.03) * rise(down, tip + 0.075, tip - 0.06)
    slope = clamp(down / tip, 0.0, 1.0) * plateau
    stretch = 2.0 * sculpture.skull.width
    ridge = bell(sculpture.grid.across, 0.0, nose.bridge_width / stretch)
    sculpture.add(nose.bridge, ridge, plateau)
    sculpture.add(0.05, bell(sculpture.grid.across, 0.0, 1.5 * nose.bridge_width / stretch), slope)
    sculpture.bump(nose.hump, 0.0, 0.42 * nose.length, 0.08, 0.09)
    sculpture.bump(nose.tip, nose.skew, nose.length - 0.03, nose.tip_width, 0.085)
    sculpture.pair(nose.wings, nose.wing_width, nose.length + 0.03, 0.07, 0.065)


def _carve_mouth(sculpture: _Sculpture, mouth: Mouth) -> None:
    sculpture.bump(mouth.protrusion, 0.0, mouth.y, 0.36, 0.2)
    sculpture.bump(0.2 * mouth.upper, 0.0, mouth.y - mouth.upper / 2, 0.22, 0.04)
    sculpture.bump(0.25 * mouth.lower, 0.0, mouth.y + mouth.lower / 2, 0.2, 0.05)
    sculpture.bump(-0.03, 0.0, mouth.y + mouth.lower + 0.09, 0.22, 0.05)
    sculpture.bump(-0.02, 0.0, mouth.y - mouth.upper - 0.09, 0.05, 0.07)


def _blur_matrix(size: int, spread: float) -> Floats:
    """From every second texel to a blur at all of them."""
    places = np.arange(size, dtype=np.float32)
    weights = bell(places[:, None] - places[None, ::2], 0.0, spread)
    matrix: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


# six texels are a sixth of the pupil distance: eye sockets and nose flanks, not freckles
_BLUR_DOWN = _blur_matrix(CHART[0], 6.4)
_BLUR_ACROSS = np.ascontiguousarray(_blur_matrix(CHART[1], 6.0).T)


def _blurred(height: Floats) -> Floats:
    coarse: Floats = (_BLUR_DOWN @ np.ascontiguousarray(height[::2, ::2])) @ _BLUR_ACROSS
    return coarse
