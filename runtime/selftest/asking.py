"""Asking: each face alone, in batches, from several threads, and by landmarks."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from embedge.runtime.encoders import LARGEST_BATCH
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.selftest.golden import Golden, Rows

__all__ = ["Align", "Answers", "Embed", "aligned_to", "ask"]

Embed = Callable[[RgbImage], Rows]
Align = Callable[[RgbImage, Rows], RgbImage]

_THREADS = 8
_FEW, _ODD = 5, 11  # beside the largest batch
# seconds a face up to which batches and threads are asked so often, to end in two seconds
_ROUNDS = {0.02: 4, 0.03: 1}


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Rows as they came: face by face; batches by the faces in them; rounds of one a thread, the
    faces in turn."""

    alone: Rows
    batches: tuple[tuple[tuple[int, ...], Rows], ...]
    threaded: tuple[Rows, ...]
    pictures: Rows | None


def aligned_to(template: object, size: int) -> Align:
    """The product's own alignment, as a matcher does it."""
    return lambda picture, points: aligned_crop(picture, points, np.asarray(template), size)


def ask(embed: Embed, golden: Golden, size: int, align: Align | None = None) -> Answers:
    """`embed` takes uint8 RGB crops (N, size, size, 3); `align` a picture and five landmarks."""
    crops = golden.crops(size)
    seconds, alone = [], []
    for row in range(len(crops)):
        begun = time.perf_counter()
        alone.append(np.asarray(embed(crops[row : row + 1])))
        seconds.append(time.perf_counter() - begun)
    rounds = next((rounds for most, rounds in _ROUNDS.items() if min(seconds) <= most), 0)
    orders = [_order(count, len(crops)) for count in (_FEW, _ODD, LARGEST_BATCH)]
    return Answers(
        alone=np.concatenate(alone),
        batches=tuple(
            (order, np.asarray(embed(crops[list(order)])))
            for order in (orders if rounds else orders[:1])
        ),
        threaded=_from_threads(embed, crops, max(rounds, 1)),
        pictures=None if align is None else _each(embed, _aligned(golden, align)),
    )


def _order(count: int, faces: int) -> tuple[int, ...]:
    """Faces in no order that a batch which is turned, reversed or shifted would keep."""
    return tuple((place * place // 2 + place // faces + 1) % faces for place in range(count))


def _each(embed: Embed, crops: RgbImage) -> Rows:
    return np.concatenate([np.asarray(embed(crops[row : row + 1])) for row in range(len(crops))])


def _aligned(golden: Golden, align: Align) -> RgbImage:
    return np.stack([align(*pair) for pair in zip(golden.faces, golden.landmarks)])


def _from_threads(embed: Embed, crops: RgbImage, rounds: int) -> tuple[Rows, ...]:
    together = threading.Barrier(_THREADS)

    def work(thread: int) -> list[Rows]:
        face, rows = thread % len(crops), []
        for _ in range(rounds):
            together.wait()
            rows.append(np.array(embed(crops[face : face + 1])))
        return rows

    def guarded(thread: int) -> list[Rows]:
        try:
            return work(thread)
        except BaseException:
            together.abort()  # else the others wait for ever
            raise

    with ThreadPoolExecutor(_THREADS) as pool:
        answers = list(pool.map(guarded, range(_THREADS)))
    return tuple(np.concatenate(row) for row in zip(*answers))
