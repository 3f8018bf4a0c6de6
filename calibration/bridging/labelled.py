"""What a bridge is worth on people whose pictures are labelled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.evaluation.figures import Comparison, Count, Share, Side
from embedge.calibration.evaluation.judge import Asked, Subject, judge, scores_of
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.bridge import Bridge
from embedge.runtime.threshold import Threshold

__all__ = ["BridgePoint", "Labelled", "People", "calibrated", "drawn", "labelled_evidence"]

OLD, NEW, BRIDGED = Side("old"), Side("new"), Side("bridged")


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Both models' embeddings of the same labelled pictures."""

    old: Float32
    new: Float32
    labels: NDArray[np.generic]

    def only(self, kept: NDArray[np.bool_]) -> "People":
        return People(self.old[kept], self.new[kept], self.labels[kept])


@dataclass(frozen=True, slots=True)
class BridgePoint:
    """At one FMR, each comparison at its own threshold.

    `kept` is the bridge's TAR as a share of the weaker model's own. `lost` genuine pairs are
    accepted by the old model and rejected across the bridge, `won` the other way round.
    """

    fmr: Share
    old: float
    new: float
    bridged: float
    kept: float
    kept_low: float
    lost: Count
    won: Count


@dataclass(frozen=True, slots=True)
class Labelled:
    """`threshold` comes from half of the people; `on_others` is what it did on the other half.

    `new_threshold` is what the new model's own templates need at the same FMR on the same half.
    Both hold for templates as they are and for those that were drawn to their person's mean.
    `stricter` are thresholds for smaller FMRs, as far as these people can carry them.
    """

    comparisons: tuple[Comparison, ...]
    points: tuple[BridgePoint, ...]
    threshold: Threshold | None
    new_threshold: float | None
    on_others: Comparison | None
    stricter: tuple[Threshold, ...] = ()

    def point_at(self, fmr: float) -> BridgePoint | None:
        return next((point for point in self.points if abs(point.fmr - fmr) < 1e-6 * fmr), None)


def labelled_evidence(
    bridge: Bridge,
    people: People,
    fmrs: Sequence[float],
    *,
    fmr: float,
    dataset: str,
    seed: int = 0,
    on_done: Callable[[], object] = lambda: None,
) -> Labelled:
    """Old and new model alone, and a bridged gallery searched with the new model's probes."""
    bridged = bridge.apply(people.old)
    old, new, across = _subjects(people, bridged)
    wanted = [Asked(old, old), Asked(new, new), Asked(across, new)]
    found = judge(wanted, people.labels, fmrs, seed=seed, on_done=on_done)
    chosen, others = split_subjects(people.labels, seed)
    _, native = calibrated(bridged, people, chosen, fmr, dataset=dataset)
    ways = bridged, bridge.apply(drawn(people.old, people.labels))

    def strictest(rate: float) -> Threshold | None:
        asked = (calibrated(rows, people, chosen, rate, dataset=dataset)[0] for rows in ways)
        held = [limit for limit in asked if limit is not None]
        return max(held, key=lambda limit: limit.value) if len(held) == len(ways) else None

    threshold = strictest(fmr)
    smaller = sorted((each for each in fmrs if each < fmr * (1 - 1e-6)), reverse=True)
    stricter = map(strictest, smaller)
    return Labelled(
        found,
        _points(found, people, bridged, fmrs),
        threshold,
        native,
        _on_others(bridged, people.only(others), others, threshold),
        tuple(each for each in stricter if each is not None),
    )


def drawn(old: Float32, labels: NDArray[np.generic]) -> Float32:
    """As a migration sends them over: each with the mean of its person's added to it."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), old.shape[1]), np.float32)
    np.add.at(sums, codes, old)
    moved: Float32 = old + sums[codes] / counts[codes, None].astype(np.float32)
    return moved


def calibrated(
    bridged: Float32, people: People, chosen: NDArray[np.bool_], fmr: float, *, dataset: str
) -> tuple[Threshold | None, float | None]:
    """The threshold of bridged templates on these people, and that of native ones."""
    _, new, across = _subjects(people.only(chosen), bridged[chosen])
    labels = people.labels[chosen]
    limits = [
        threshold_at(scores_of(gallery, new, labels), fmr, dataset=dataset, model=name)
        for gallery, name in ((across, "bridged"), (new, "new"))
    ]
    held = [None if isinstance(limit, Insufficient) else limit for limit in limits]
    return held[0], held[1].value if held[1] else None


def _subjects(people: People, bridged: Float32) -> tuple[Subject, Subject, Subject]:
    return Subject(OLD, people.old), Subject(NEW, people.new), Subject(BRIDGED, bridged)


def _on_others(
    bridged: Float32, people: People, others: NDArray[np.bool_], threshold: Threshold | None
) -> Comparison | None:
    if threshold is None:
        return None
    _, new, across = _subjects(people, bridged[others])
    asked = Asked(across, new, threshold.value)
    return judge([asked], people.labels, (threshold.fmr_target,))[0]


def _points(
    found: Sequence[Comparison], people: People, bridged: Float32, fmrs: Sequence[float]
) -> tuple[BridgePoint, ...]:
    old, new, across = found
    genuine = _genuine(people.labels)
    cosines = [
        _cosines(gallery, probe, genuine)
        for gallery, probe in ((people.old, people.old), (bridged, people.new))
    ]
    points = []
    for fmr in fmrs:
        at = [comparison.tar_at(fmr) for comparison in (old, new, across)]
        if any(point is None or point.tar is None for point in at):
            continue
        alone, native, mapped = (point for point in at if point is not None)
        weaker = min(alone.tar or 0.0, native.tar or 0.0)
        before = cosines[0] > np.float32(alone.threshold)
        after = cosines[1] > np.float32(mapped.threshold)
        points.append(
            BridgePoint(
                fmr,
                float(alone.tar or 0.0),
                float(native.tar or 0.0),
                float(mapped.tar or 0.0),
                float((mapped.tar or 0.0) / weaker) if weaker else 0.0,
                float((mapped.low or 0.0) / weaker) if weaker else 0.0,
                int((before & ~after).sum()),
                int((after & ~before).sum()),
            )
        )
    return tuple(points)


def _genuine(labels: ArrayLike) -> NDArray[np.int64]:
    """Every ordered pair of different pictures of one person."""
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    found = [np.empty((0, 2), np.int64)]
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(codes))[:-1]):
        left, right = np.nonzero(~np.eye(len(rows), dtype=bool))
        found.append(np.column_stack([rows[left], rows[right]]))
    return np.concatenate(found)


def _cosines(gallery: Float32, probe: Float32, pairs: NDArray[np.int64]) -> Float32:
    found: Float32 = np.einsum("nd,nd->n", gallery[pairs[:, 0]], probe[pairs[:, 1]])
    return found
