"""Who is told apart from whom: classifiers that answered the same pictures, with the same seeds."""

import math
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["told_apart"]

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class _Pair:
    better: str
    worse: str
    points: float
    """how much better, of a hundred"""
    half_width: float
    """of the 95 % interval over pictures"""
    by_seed: tuple[float, ...]
    p: float
    """that as large a difference comes of the choice of pictures"""


def told_apart(right: dict[str, NDArray[np.bool_]]) -> list[dict[str, Any]]:
    """Of all pairs, from (seeds, pictures) of right answers each.

    Two are told apart if the difference, meant over seeds, is beyond the chance of the pictures
    (Holm's bound over all pairs) and every seed agrees about its sign.
    """
    pairs = sorted((_pair(right, *two) for two in combinations(right, 2)), key=lambda one: one.p)
    found, still = [], True
    for rank, pair in enumerate(pairs):
        still = still and pair.p <= LEVEL / (len(pairs) - rank)
        agreed = all(points > 0 for points in pair.by_seed)
        found.append({**asdict(pair), "told_apart": still and agreed})
    return found


def _pair(right: dict[str, NDArray[np.bool_]], one: str, other: str) -> _Pair:
    if right[one].mean() < right[other].mean():
        one, other = other, one
    gain = right[one].astype(float) - right[other].astype(float)
    each = gain.mean(axis=0)
    error = float(each.std(ddof=1)) / math.sqrt(len(each))
    points = float(each.mean())
    p = math.erfc(points / (error * math.sqrt(2))) if error > 0 else float(points == 0)
    by_seed = tuple(100 * gain.mean(axis=1))
    return _Pair(one, other, 100 * points, 196 * error, by_seed, p)
