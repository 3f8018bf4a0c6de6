"""One person in one picture: the head, its landmarks, and its pixels through any similarity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.degrade import photograph
from embedge.train.render.identity import Identity
from embedge.train.render.nuisance import Nuisance
from embedge.train.render.paint.background import background
from embedge.train.render.paint.canvas import Canvas
from embedge.train.render.paint.eyes import paint_brows, paint_eyes
from embedge.train.render.paint.hair import hang_behind, paint_hair
from embedge.train.render.paint.mouth import mouth_corner, paint_mouth, paint_nostrils
from embedge.train.render.paint.occlude import cover_with_patches, wear
from embedge.train.render.paint.shade import flat_light, lit
from embedge.train.render.paint.skin import paint_beard, paint_skin
from embedge.train.render.surface.chart import at, axes_of, on_sphere
from embedge.train.render.surface.march import Surface, march, surface_at
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.relief import Relief, resting_relief, smiling_relief
from embedge.train.render.surface.shapes import Floats, clamp
from embedge.train.render.surface.view import Similarity, plane_of_points, rays, rotation

__all__ = ["Portrait", "Sitter"]

_HEAD_RADIUS = 3.4  # in the picture plane, hair and ears included


@dataclass(frozen=True, slots=True)
class Sitter:
    """A person, and the relief of their face at rest."""

    person: Identity
    resting: Relief

    @classmethod
    def of(cls, person: Identity) -> "Sitter":
        return cls(person, resting_relief(person))


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person, a situation, and the relief that follows from both."""

    person: Identity
    situation: Nuisance
    noise: Noise
    relief: Relief
    turn: NDArray[np.float64]

    @classmethod
    def of(cls, sitter: Sitter, situation: Nuisance, noise: Noise) -> "Portrait":
        relief = smiling_relief(sitter.resting, sitter.person, situation.expression.smile)
        return cls(sitter.person, situation, noise, relief, rotation(situation.pose))

    def landmarks(self) -> NDArray[np.float64]:
        """The five landmarks (5, 2) in the picture plane."""
        skull = self.person.skull
        places = self._landmark_places()
        across, down = np.array([at(skull, x, y) for x, y in places]).T
        sphere = np.array([on_sphere(skull, x, y) for x, y in places])
        height = self.relief.fine(across, down)
        points = axes_of(skull) * sphere * (1.0 + height[:, None])
        return plane_of_points(points, self.turn, self.situation.pose.distance)

    def picture(self, camera: Similarity, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """The finished picture (height, width, 3)."""
        radiance = self._radiance(camera, shape)
        grain = self.noise.grain(self.situation.grain, radiance.size)
        return photograph(radiance, shape, self.situation.camera, grain)

    def _landmark_places(self) -> list[tuple[float, float]]:
        person, expression = self.person, self.situation.expression
        eye = person.eyes.distance / 2
        wide, corner = mouth_corner(person.mouth, expression)
        nose = (person.nose.skew, person.nose.length - 0.02)
        return [(-eye, 0.0), (eye, 0.0), nose, (-wide, corner), (wide, corner)]

    def _radiance(self, camera: Similarity, shape: tuple[int, int]) -> Floats:
        rows, columns = np.indices(shape, dtype=np.float32).reshape(2, -1)
        x, y = camera.plane(columns, rows)
        soft = 1.0 / camera.scale
        glow = flat_light(self.situation.light)
        visible, cover, head = self._head(x, y, shape, soft)
        hidden = np.zeros(x.size, bool)
        hidden[visible[cover == 1.0]] = True
        free = np.flatnonzero(~hidden)
        picture = np.empty((3, x.size), np.float32)
        _put(picture, free, self._behind(x.take(free), y.take(free), glow, soft))
        rim = np.flatnonzero(cover < 1.0)
        behind = picture.take(visible.take(rim), axis=1)
        head[:, rim] = behind + cover.take(rim) * (head.take(rim, axis=1) - behind)
        _put(picture, visible, head)
        cover_with_patches(picture, x, y, self.situation.occlusion.patches, glow, soft)
        return picture

    def _behind(self, x: Floats, y: Floats, glow: Floats, soft: float) -> Floats:
        """Everything behind the head, turned with it where it hangs on it."""
        scene = background(self.situation.backdrop, x, y, self.noise)
        roll = np.radians(self.situation.pose.roll)
        cosine, sine = float(np.cos(roll)), float(np.sin(roll))
        upright_x, upright_y = cosine * x + sine * y, cosine * y - sine * x
        clothes = self.situation.backdrop.clothes
        hang_behind(scene, upright_x, upright_y, self.person, clothes, glow, self.noise, soft)
        return scene

    def _head(
        self, x: Floats, y: Floats, shape: tuple[int, int], soft: float
    ) -> tuple[NDArray[np.intp], Floats, Floats]:
        """Pixels that show the head, how much of it they show, and its radiance there."""
        block, size = _block_around_head(x, y, shape)
        if size != shape:
            x, y = x.take(block), y.take(block)
        axes = axes_of(self.person.skull)
        origin, directions = rays(x, y, self.turn, self.situation.pose.distance, axes)
        travel, gap = march(origin, directions, size, self.relief)
        cover = clamp(1.0 - gap / (0.8 * soft), 0.0, 1.0)
        hit = np.flatnonzero(cover)
        points = origin[:, None] + directions.take(hit, axis=1) * travel.take(hit)
        surface = surface_at(points, axes, self.relief)
        painted = self._painted(surface, axes, soft)
        light = self.situation.light
        radiance = lit(painted, surface.normal, surface.openness, light, self.turn)
        return block.take(hit), cover.take(hit), radiance

    def _painted(self, surface: Surface, axes: Floats, soft: float) -> Canvas:
        person, situation = self.person, self.situation
        direction = surface.direction
        canvas = Canvas(
            x=direction[0] * axes[0],
            y=direction[1] * axes[1],
            across=surface.across,
            down=direction[1],
            front=clamp(4.0 * direction[2], 0.0, 1.0),
            colour=np.zeros_like(direction),
            shine=np.zeros_like(surface.across),
            soft=soft,
        )
        paint_skin(canvas, person, situation.expression, self.noise)
        paint_beard(canvas, person, self.noise)
        paint_nostrils(canvas, person.nose)
        paint_mouth(canvas, person, situation.expression)
        paint_eyes(canvas, person, situation.expression)
        paint_brows(canvas, person, situation.expression, self.noise)
        paint_hair(canvas, person.hair, self.noise)
        wear(canvas, situation.occlusion, person.eyes.distance)
        return canvas


def _put(picture: Floats, index: NDArray[np.intp], colour: Floats) -> None:
    """picture[:, index] = colour, a channel at a time, which is much faster."""
    for channel, values in zip(picture, colour):
        channel[index] = values


def _block_around_head(
    x: Floats, y: Floats, shape: tuple[int, int]
) -> tuple[NDArray[np.intp], tuple[int, int]]:
    """Indices of a rectangle of pixels that no head reaches out of, and its size."""
    near = (x * x + y * y < _HEAD_RADIUS**2).reshape(shape)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return (rows[:, None] * shape[1] + columns).ravel(), (rows.size, columns.size)
