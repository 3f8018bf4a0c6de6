"""Asking: each face alone, all in one batch, from several threads, and by landmarks."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.selftest.golden import Golden, Rows

__all__ = ["Align", "Answers", "Embed", "aligned_to", "ask"]

Embed = Callable[[RgbImage], Rows]
Align = Callable[[RgbImage, Rows], RgbImage]

_ROUNDS = 4
_SLOW = 0.1  # seconds a face; a large network is asked by threads once, to end in two seconds


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Rows as they came: face by face; `order` in one batch; rounds of faces, one thread each."""

    alone: Rows
    order: tuple[int, ...]
    together: Rows
    threaded: tuple[Rows, ...]
    pictures: Rows | None


def aligned_to(template: object, size: int) -> Align:
    """The product's own alignment, as a matcher does it."""
    return lambda picture, points: aligned_crop(picture, points, np.asarray(template), size)


def ask(embed: Embed, golden: Golden, size: int, align: Align | None = None) -> Answers:
    """`embed` takes uint8 RGB crops (N, size, size, 3); `align` a picture and five landmarks."""
    crops = golden.crops(size)
    begun = time.perf_counter()
    alone = _each(embed, crops)
    slow = time.perf_counter() - begun > _SLOW * len(crops)
    # neither in the order of the file nor each once
    order = tuple(range(1, len(crops))) + tuple(reversed(range(len(crops))))
    return Answers(
        alone=alone,
        order=order,
        together=np.asarray(embed(crops[list(order)])),
        threaded=_from_threads(embed, crops, 1 if slow else _ROUNDS),
        pictures=None if align is None else _each(embed, _aligned(golden, align)),
    )


def _each(embed: Embed, crops: RgbImage) -> Rows:
    return np.concatenate([np.asarray(embed(crops[row : row + 1])) for row in range(len(crops))])


def _aligned(golden: Golden, align: Align) -> RgbImage:
    return np.stack([align(*pair) for pair in zip(golden.faces, golden.landmarks)])


def _from_threads(embed: Embed, crops: RgbImage, rounds: int) -> tuple[Rows, ...]:
    together = threading.Barrier(len(crops))

    def work(face: int) -> list[Rows]:
        rows = []
        for _ in range(rounds):
            together.wait()
            rows.append(np.array(embed(crops[face : face + 1])))
        return rows

    def guarded(face: int) -> list[Rows]:
        try:
            return work(face)
        except BaseException:
            together.abort()  # else the others wait for ever
            raise

    with ThreadPoolExecutor(len(crops)) as pool:
        answers = list(pool.map(guarded, range(len(crops))))
    return tuple(np.concatenate(row) for row in zip(*answers))
