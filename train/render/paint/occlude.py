"""Things in front of a face: glasses, masks and caps on the skin, patches before the camera."""

import numpy as np

from embedge.train.render.nuisance import Glasses, Occlusion, Patch
from embedge.train.render.paint.canvas import Canvas
from embedge.train.render.surface.shapes import Floats, clamp, edge, length, rise

__all__ = ["cover_with_patches", "wear"]


def wear(canvas: Canvas, occlusion: Occlusion, eye_distance: float) -> None:
    if occlusion.mask:
        top, colour = occlusion.mask
        cover = edge(canvas.y - top - 0.25 * canvas.x**2, 2 * canvas.soft)
        cover = cover * (canvas.front > 0) * rise(np.abs(canvas.across), 0.85, 0.7)
        canvas.paint(cover, colour)
        canvas.shine *= 1.0 - cover
    if occlusion.cap:
        line, colour = occlusion.cap
        cover = edge((line - canvas.down) * 2.3, 2 * canvas.soft)
        canvas.paint(cover, colour)
        canvas.shine *= 1.0 - cover
    if occlusion.glasses:
        _put_on_glasses(canvas, occlusion.glasses, eye_distance)


def _put_on_glasses(canvas: Canvas, glasses: Glasses, eye_distance: float) -> None:
    side = np.abs(canvas.x)
    u = (side - eye_distance / 2 - 0.02) / glasses.radius
    v = (canvas.y - 0.03) / (glasses.radius * glasses.aspect)
    outside = (np.sqrt(length(u * u, v * v)) - 1.0) * glasses.radius
    front = canvas.front > 0
    soft = 1.5 * canvas.soft
    lens = edge(-outside, soft) * front
    canvas.paint(glasses.tint * lens, (0.01, 0.01, 0.012))
    canvas.shine += 0.5 * lens
    rim = edge(glasses.thickness - np.abs(outside), soft)
    bridge = edge(glasses.thickness - np.abs(canvas.y + 0.05), soft) * (u < -1.0)
    temple = edge(glasses.thickness - np.abs(canvas.y + 0.08), soft) * (u > 1.0)
    canvas.paint(np.maximum(rim, np.maximum(bridge, temple)) * front, glasses.frame)


def cover_with_patches(
    picture: Floats, x: Floats, y: Floats, patches: tuple[Patch, ...], light: Floats, soft: float
) -> None:
    """Blend patches over the picture (3, n); x, y are picture-plane coordinates."""
    for patch in patches:
        inside = _patch_depth(patch, x, y)
        shading = 0.75 + 0.25 * clamp(inside / (0.5 * patch.half_width), 0.0, 1.0)
        colour = np.asarray(patch.colour, np.float32)[:, None] * light[:, None] * shading
        picture += edge(inside, 2 * soft) * (colour - picture)


def _patch_depth(patch: Patch, x: Floats, y: Floats) -> Floats:
    """Signed distance to the border of a rounded rectangle, positive inside."""
    cosine, sine = float(np.cos(patch.angle)), float(np.sin(patch.angle))
    radius = patch.roundness * min(patch.half_width, patch.half_height)
    u = np.abs(cosine * (x - patch.x) + sine * (y - patch.y)) - patch.half_width + radius
    v = np.abs(cosine * (y - patch.y) - sine * (x - patch.x)) - patch.half_height + radius
    beyond = length(np.maximum(u, 0.0), np.maximum(v, 0.0))
    depth: Floats = radius - beyond - np.minimum(np.maximum(u, v), 0.0)
    return depth
