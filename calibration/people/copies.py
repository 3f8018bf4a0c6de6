"""Pictures that are one picture saved twice: free genuine pairs, or one face under two names.

Lighter, of another contrast or mirrored, it is that picture still; so it is turned by a degree or
two, cut a little closer or compressed until its embedding moves.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Picture
from PIL.Image import Resampling, Transform
from PIL.ImageFilter import BoxBlur

from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.intervals.people import DOMINATES
from embedge.calibration.scores import Int32, PairScores
from embedge.printed import counted
from embedge.runtime.picture.images import RgbImage

__all__ = ["SOUGHT", "one_person", "saved_again"]

SOUGHT = (
    "Copies looked for: one picture saved again, also lighter, of another contrast or mirrored (to"
    " a cosine of 0.995), turned by up to 3 degrees, cut closer or compressed (to 0.95). Copies"
    " changed beyond that, and photographs of one moment, count as evidence."
)

_ALIKE = 0.995  # as a cosine: another quality or format of one file
_GREYS = 2.0  # mean difference of two thumbnails; two photographs of one person differ by far more
_NEAR = 0.95  # as a cosine: below it a copy has changed as much as another photograph
_ONE_SHOT = 0.95  # as a correlation: of 1,087 pairs of LFW no two photographs reach 0.9
_TURNS = (-3.0, -1.5, 0.0, 1.5, 3.0)  # degrees
_SCALES = (0.95, 1.0, 1.05)
_MARGIN = 8
_SHIFT = 3  # of 56 pixels, to every side
_MOST = 2_000  # pairs that are looked at so closely, the most alike first
_CELLS = 8
_CONTRAST = 40.0  # standard deviation of the grey of a face, more or less
_UNUSUAL = 3  # times what half of the people have
_SPOILS = 0.01  # of the genuine comparisons
_SHOWN = 20


def saved_again(
    names: Sequence[str], scores: PairScores, read: Callable[[int], RgbImage]
) -> list[DataFault]:
    """`names` and `read` go by the rows of the scores; only pictures that a model finds alike are
    looked at."""
    within, across = (
        pairs[some > np.float32(_ALIKE)]
        for pairs, some in (
            (scores.genuine_pairs, scores.genuine),
            (scores.tail_pairs, scores.tail),
        )
    )
    rows = np.unique(np.concatenate([within, across]))
    thumbnails = np.stack([_thumbnail(read(int(row))) for row in rows]) if len(rows) else rows

    def copies(pairs: Int32) -> list[tuple[int, int]]:
        a, b = (thumbnails[np.searchsorted(rows, side)] for side in pairs.T)
        apart = (np.abs(a - other).mean(axis=(1, 2)) for other in (b, b[:, :, ::-1]))
        near = np.minimum(*apart) <= _GREYS
        return [(int(one), int(other)) for one, other in pairs[near]]

    found = []
    if pairs := [*(copies(within) if len(within) else []), *_turned_or_cut(scores, read)]:
        what = f"{counted(len(pairs), 'genuine comparison')} of one picture saved twice"
        spoilt = len(pairs) > _SPOILS * len(scores.genuine)
        shown = _examples(pairs, names)
        severity: Literal["error", "warning"] = "error" if spoilt else "warning"
        found.append(DataFault("copied-picture", severity, what, len(pairs), shown))
    if len(across) and (pairs := copies(across)):
        what = f"{counted(len(pairs), 'pair')} of pictures under two people: one saved twice"
        shown = _examples(pairs, names)
        found.append(DataFault("copied-across", "error", what, len(pairs), shown))
    return found


def _turned_or_cut(
    scores: PairScores, read: Callable[[int], RgbImage]
) -> Iterator[tuple[int, int]]:
    """Pairs of one person below the cut for files that are merely saved again."""

    @cache
    def seen(row: int) -> tuple[Picture, NDArray[np.float32]]:
        picture = Image.fromarray(read(row)).convert("L").resize((112, 112))
        return picture, _edges(picture)

    near = (scores.genuine > np.float32(_NEAR)) & (scores.genuine <= np.float32(_ALIKE))
    for a, b in scores.genuine_pairs[near][::-1][:_MOST].tolist():
        inner = _unit(seen(a)[1][_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].reshape(1, -1))[0]
        turned = (_moved(seen(b)[0], degrees, scale) for degrees in _TURNS for scale in _SCALES)
        if any(float((_shifted(one) @ inner).max()) > _ONE_SHOT for one in turned):
            yield a, b


def _moved(picture: Picture, degrees: float, scale: float) -> NDArray[np.float32]:
    turn = np.deg2rad(degrees)
    c, s, middle = np.cos(turn) / scale, np.sin(turn) / scale, 55.5
    there = (c, s, middle * (1 - c - s), -s, c, middle * (1 + s - c))
    return _edges(picture.transform((112, 112), Transform.AFFINE, there, Resampling.BILINEAR))


def _edges(picture: Picture) -> NDArray[np.float32]:
    """What is left of half the size without its light and shade."""
    small = picture.resize((56, 56), Resampling.BOX)
    return np.asarray(small, np.float32) - np.asarray(small.filter(BoxBlur(4)), np.float32)


def _shifted(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    size = len(edges) - 2 * _MARGIN
    low, high = _MARGIN - _SHIFT, _MARGIN + _SHIFT
    windows = sliding_window_view(edges, (size, size))[low : high + 1, low : high + 1]
    return _unit(windows.reshape(-1, size * size))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    apart = rows - rows.mean(axis=1, keepdims=True)
    scaled: NDArray[np.float32] = apart / np.maximum(np.linalg.norm(apart, axis=1), 1e-6)[:, None]
    return scaled


def one_person(scores: PairScores) -> list[DataFault]:
    """What no interval over people can mend: most of the figure is one person's."""
    counts = np.bincount(scores.genuine_subjects)
    counts = counts[counts > 0]
    most = int(counts.max(initial=0))
    if most <= DOMINATES * counts.sum() or most <= _UNUSUAL * np.median(counts):
        return []
    share = f"{100 * most / counts.sum():.0f} %"
    what = f"one person supplies {share} of the genuine comparisons: judge with --per-person N"
    return [DataFault("one-person", "warning", what, most)]


def _examples(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{names[a]} = {names[b]}" for a, b in pairs[:_SHOWN])


def _thumbnail(picture: RgbImage) -> NDArray[np.float32]:
    """Grey means of 8 x 8 parts, of one brightness and contrast whatever the light was."""
    grey = picture.mean(axis=2)
    parts = [np.array_split(half, _CELLS, axis=1) for half in np.array_split(grey, _CELLS, axis=0)]
    means = np.asarray([[part.mean() for part in row] for row in parts], np.float32)
    apart = means - means.mean()
    scaled: NDArray[np.float32] = apart * (_CONTRAST / max(float(apart.std()), 1.0))
    return scaled
