"""How thresholds move and decisions flip when one model takes another's place."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.comparison import Comparison, Drift, DriftPoint
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32

__all__ = ["Reference", "drift_from"]

_BLOCK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A comparison made before, with the embeddings it was made from."""

    comparison: Comparison
    gallery: Float32
    probe: Float32


def drift_from(
    reference: Reference,
    result: Comparison,
    gallery: Float32,
    probe: Float32,
    labels: NDArray[np.generic],
) -> Comparison:
    """`result` with its drift from the reference, at every FMR that both carry."""
    limits = [
        (before.fmr_target, before.point.threshold, after.point.threshold)
        for before, after in zip(reference.comparison.tar, result.tar, strict=True)
        if not isinstance(before.point, Insufficient) and not isinstance(after.point, Insufficient)
    ]
    flips = np.zeros((len(limits), 2, 2), np.int64)
    comparisons = 0
    both = gallery is probe and reference.gallery is reference.probe
    for rows, columns, wanted in _blocks(len(labels), once=both):
        before = reference.gallery[rows] @ reference.probe[columns].T
        after = gallery[rows] @ probe[columns].T
        same = labels[rows][:, None] == labels[columns]
        comparisons += int(wanted.sum())
        for number, (_, limit, _) in enumerate(limits):
            was, now = before > limit, after > limit
            for subject, kind in enumerate((same & wanted, ~same & wanted)):
                flips[number, subject, 0] += int((was & ~now & kind).sum())
                flips[number, subject, 1] += int((now & ~was & kind).sum())
    points = tuple(
        DriftPoint(*limit, comparisons, *(int(count) for count in counts.ravel()))
        for limit, counts in zip(limits, flips)
    )
    return replace(result, drift=Drift(reference.comparison.name, points))


def _blocks(images: int, *, once: bool) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """Blocks of all pairs of different images, each pair once or in both roles."""
    for top in range(0, images, _BLOCK):
        for left in range(top if once else 0, images, _BLOCK):
            rows = np.arange(top, min(top + _BLOCK, images))
            columns = np.arange(left, min(left + _BLOCK, images))
            wanted = rows[:, None] < columns if once else rows[:, None] != columns
            yield slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1), wanted
