"""Where camera rays meet the displaced head."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.surface.chart import across_of
from embedge.train.render.surface.relief import Relief
from embedge.train.render.surface.shapes import Floats, clamp, rise

__all__ = ["Surface", "march", "surface_at"]

Look = Callable[[Floats, Floats], Floats]

_BOUND = 1.42  # no relief reaches beyond this multiple of the ellipsoid
_COARSE_STEPS, _EDGE_LOOKS = 8, 4
_SMOOTH = 0.15  # how much neighbouring rays may differ on one piece of surface


@dataclass(frozen=True, slots=True)
class Surface:
    """Points of the head, over pixels.

    `direction` is the unit direction from the centre in the round space, `normal` the unit
    normal in head coordinates, `openness` how much of the sky a point sees.
    """

    direction: Floats
    across: Floats
    normal: Floats
    openness: Floats


def march(
    origin: Floats, directions: Floats, shape: tuple[int, int], relief: Relief
) -> tuple[Floats, Floats]:
    """Follow rays (3, rows * columns) to the head: every other pixel first, then all of them.

    Returns how far each went and how far it missed the head (0 when it hit).
    """
    closest = -(origin @ directions)
    start, edges = _start(origin, directions, closest, shape, relief)
    travel, gap = _land(origin, directions, start, closest, relief, 2)
    some = directions.take(edges, axis=1)
    travel[edges], gap[edges] = _land(
        origin, some, travel.take(edges), closest.take(edges), relief, _EDGE_LOOKS
    )
    # a gap far before the closest approach is a ray still on its way, past the tip of a nose
    gap *= rise(closest - travel, 0.5, 0.3)
    return travel, np.maximum(gap, 0.0, out=gap)


def _start(
    origin: Floats, directions: Floats, closest: Floats, shape: tuple[int, int], relief: Relief
) -> tuple[Floats, NDArray[np.intp]]:
    """Distances close to the surface, from a quarter of the rays, and the rays at its edges."""
    rows, columns = shape
    some = directions.reshape(3, rows, columns)[:, ::2, ::2]
    half = some.shape[1:]
    some = np.ascontiguousarray(some).reshape(3, -1)
    centre = np.ascontiguousarray(closest.reshape(shape)[::2, ::2]).ravel()
    miss = float(origin @ origin) - centre * centre
    entry = centre - np.sqrt(np.maximum(_BOUND**2 - miss, 0.0))
    travel = _walk(origin, some, entry, centre, relief)
    start, smooth = _between(travel.reshape(half), rows, columns)
    return start.ravel(), np.flatnonzero(~smooth)


def _between(coarse: Floats, rows: int, columns: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Distances for all rays from those of every other, and where they are to be trusted.

    Interpolated where the surface is smooth. Where it is not, past the edge of a nose, the nearest
    neighbour's, and a little less.
    """
    padded = np.pad(coarse, 1, mode="edge")
    least = np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    least = np.minimum(np.minimum(least[:, :-2], least[:, 1:-1]), least[:, 2:])
    low = least.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns]
    smooth = np.empty((2 * coarse.shape[0], 2 * coarse.shape[1]), np.float32)
    smooth[::2, ::2] = coarse
    smooth[::2, 1::2] = 0.5 * (coarse + padded[1:-1, 2:])
    smooth[1::2] = smooth[::2]
    smooth[1:-1:2] += smooth[2::2]
    smooth[1:-1:2] *= 0.5
    smooth = smooth[:rows, :columns]
    trusted = smooth - low < _SMOOTH
    return np.where(trusted, smooth, low - np.float32(0.01)), trusted


def _walk(
    origin: Floats, directions: Floats, travel: Floats, limit: Floats, relief: Relief
) -> Floats:
    """Careful steps from outside, as far as the gap surely reaches."""
    for _ in range(_COARSE_STEPS):
        gap = _gap(origin, directions, travel, relief.rough)
        travel = np.minimum(travel + 0.65 * gap, limit)
    return travel


def _land(
    origin: Floats,
    directions: Floats,
    travel: Floats,
    limit: Floats,
    relief: Relief,
    looks: int,
) -> tuple[Floats, Floats]:
    """Secant steps from close by; also the gap that is left, by the last slope."""
    gap = _gap(origin, directions, travel, relief.fine)
    further = np.minimum(travel + 0.8 * gap, limit)
    for _ in range(looks - 1):
        moved = further - travel
        travel, before, gap = further, gap, _gap(origin, directions, further, relief.fine)
        moved[moved == 0.0] = 1.0
        # bounded, for the gap is not a straight line: a grazing ray must not jump over a nose
        slope = np.maximum((before - gap) / moved, 0.12)
        further = np.minimum(travel + clamp(gap / slope, -0.05, 0.2), limit)
    return further, gap - slope * (further - travel)


def _gap(origin: Floats, directions: Floats, travel: Floats, look: Look) -> Floats:
    x, y, z = directions * travel + origin[:, None]
    ground = x * x
    ground += z * z
    radius: Floats = np.sqrt(ground + y * y)
    z += np.sqrt(ground, out=ground)
    x /= np.maximum(z, 1e-3, out=z)  # across, see across_of
    y /= radius
    radius -= 1.0
    radius -= look(x, y)
    return radius


def surface_at(point: Floats, axes: Floats, relief: Relief) -> Surface:
    """Normal and openness at points (3, n) on the head."""
    x, y, z = point
    radius = np.sqrt(x * x + y * y + z * z)
    direction = point / radius
    across = across_of(x, z)
    slope_across, slope_down, openness = relief.slopes(across, direction[1])
    slope_across *= (0.5 * (1.0 + across * across)) / np.maximum(x * x + z * z, 1e-4)
    slope_down /= radius
    normal = direction * (1.0 + slope_down * direction[1])
    normal[0] -= slope_across * z
    normal[1] -= slope_down
    normal[2] += slope_across * x
    normal /= axes[:, None]
    normal /= np.sqrt(np.einsum("ij,ij->j", normal, normal))
    return Surface(direction, across, normal, openness)
