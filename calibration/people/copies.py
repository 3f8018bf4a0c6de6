"""Pictures that are one picture saved twice: free genuine pairs, or one face under two names.

Lighter, of another contrast or mirrored, it is that picture still.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.intervals.people import DOMINATES
from embedge.calibration.scores import Int32, PairScores
from embedge.printed import counted
from embedge.runtime.picture.images import RgbImage

__all__ = ["one_person", "saved_again"]

_ALIKE = 0.995  # as a cosine: another quality or format of one file
_GREYS = 2.0  # mean difference of two thumbnails; two photographs of one person differ by far more
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
    if len(within) and (pairs := copies(within)):
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
