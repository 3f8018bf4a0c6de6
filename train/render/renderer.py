"""The renderer: numbers of people and pictures in, aligned faces or whole scenes out."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.identity import identity as draw_identity
from embedge.train.render.nuisance import nuisance
from embedge.train.render.portrait import Portrait, Sitter
from embedge.train.render.randomness import Draw
from embedge.train.render.surface.noise import Noise
from embedge.train.render.surface.view import Similarity, aligned

__all__ = ["RENDERER_VERSION", "FaceRenderer", "RenderedFaces", "Scene"]

# part of every data fingerprint: raise it whenever a pixel may change
RENDERER_VERSION = 3

_CROP = (112, 112)
_HEAD_HEIGHT = 3.9  # crown to chin, in pupil distances


@dataclass(frozen=True, slots=True)
class RenderedFaces:
    images: NDArray[np.uint8]  # (n, 112, 112, 3) RGB
    landmarks: NDArray[np.float32]  # (n, 5, 2) pixels


@dataclass(frozen=True, slots=True)
class Scene:
    image: NDArray[np.uint8]  # (height, width, 3) RGB
    landmarks: NDArray[np.float32]  # (5, 2) pixels
    box: NDArray[np.float32]  # (4,) left, top, right, bottom of the face


@dataclass(frozen=True, slots=True)
class FaceRenderer:
    """Deterministic faces: a picture depends on (seed, hardness, identity, sample) and no more.

    `hardness` scales everything that is not the person: 0 is a studio portrait, 1 the default.
    """

    seed: int = 0
    hardness: float = 1.0

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the pixels depend on, besides identity and sample."""
        return {"renderer": RENDERER_VERSION, "seed": self.seed, "hardness": self.hardness}

    def render(
        self, identities: NDArray[np.integer], samples: NDArray[np.integer]
    ) -> RenderedFaces:
        """Aligned crops, one for each pair of identity and sample number."""
        pairs = list(
            zip(np.asarray(identities).tolist(), np.asarray(samples).tolist(), strict=True)
        )
        images = np.empty((len(pairs), *_CROP, 3), np.uint8)
        landmarks = np.empty((len(pairs), 5, 2), np.float32)
        sitters: dict[int, Sitter] = {}
        for row, (number, sample) in enumerate(pairs):
            if number not in sitters:  # only the last: pictures of one person come together
                sitters = {number: Sitter.of(draw_identity(self.seed, number))}
            portrait = self._portrait(sitters[number], number, sample)
            plane = portrait.landmarks()
            camera = aligned(_seen(portrait, plane))
            images[row] = portrait.picture(camera, _CROP)
            landmarks[row] = camera.pixels(plane)
        return RenderedFaces(images, landmarks)

    def render_scene(self, identity: int, sample: int, size: tuple[int, int]) -> Scene:
        """The same picture before alignment, somewhere in a scene of (height, width)."""
        sitter = Sitter.of(draw_identity(self.seed, identity))
        portrait = self._portrait(sitter, identity, sample)
        plane = portrait.landmarks()
        camera = _placement(Draw(self.seed, "scene", identity, sample), size)
        landmarks = camera.pixels(plane)
        return Scene(
            image=portrait.picture(camera, size),
            landmarks=landmarks.astype(np.float32),
            box=_box(landmarks, camera.scale),
        )

    def _portrait(self, sitter: Sitter, number: int, sample: int) -> Portrait:
        situation = nuisance(self.seed, number, sample, self.hardness)
        return Portrait.of(sitter, situation, _noise(self.seed))


@lru_cache(maxsize=2)
def _noise(seed: int) -> Noise:
    """As costly as three faces, and the same for all of a seed."""
    return Noise(seed)


def _seen(portrait: Portrait, plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The landmarks as a detector would report them: a little off."""
    seen: NDArray[np.float64] = plane + np.reshape(portrait.situation.camera.jitter, (5, 2))
    return seen


def _placement(draw: Draw, size: tuple[int, int]) -> Similarity:
    """Where the head stands in a scene and how large: wholly inside, a third to most of it."""
    height, width = size
    head = min(height, width) * draw.between(0.35, 0.8)
    scale = head / _HEAD_HEIGHT
    margin = 0.55 * head
    x = draw.between(min(margin, width / 2), max(width - margin, width / 2))
    y = draw.between(min(margin, height / 2), max(height - margin, height / 2))
    return Similarity(np.eye(2) * scale, np.array([x, y]))


def _box(landmarks: NDArray[np.float64], scale: float) -> NDArray[np.float32]:
    """A detector's box: brow to chin, cheek to cheek."""
    x, y = landmarks.mean(axis=0)
    wide, high = 1.15 * scale, 1.5 * scale
    return np.array([x - wide, y - high, x + wide, y + high], np.float32)
