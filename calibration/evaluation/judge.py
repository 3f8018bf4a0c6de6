"""The one judge: what embeddings are worth, whoever asks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.evaluation.figures import (
    AtThreshold,
    Comparison,
    Cosines,
    DetCurve,
    Drift,
    DriftPoint,
    EqualErrorRate,
    Histogram,
    Key,
    Rate,
    Side,
    TarPoint,
)
from embedge.calibration.intervals.interval import CONFIDENCE, Interval
from embedge.calibration.intervals.rates import (
    Evidence,
    carried_point,
    equal_error_interval,
    evidence_of,
    fmr_interval,
    fnmr_interval,
    tar_interval,
)
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import (
    Insufficient,
    OperatingPoint,
    det_thresholds,
    equal_error,
    false_match_rate,
    false_non_match_rate,
    operating_point,
)
from embedge.calibration.scores import BINS, EDGES, Float32, PairScores, score_histogram
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract, require_same_space
from embedge.runtime.encoders import unit_rows

__all__ = [
    "Asked",
    "BareRates",
    "Subject",
    "bare_rates",
    "cosines_of",
    "judge",
    "judged_scores",
    "scores_of",
]

Floats = NDArray[np.floating]
_DET_POINTS = 120
_HISTOGRAM_BINS = 128
_BLOCK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Whose embeddings are judged. Row i of every subject is the same face, of length one."""

    side: Side
    rows: Float32
    contract: EmbeddingContract | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One comparison that is wanted.

    `threshold` was fixed on other people; `instead_of` is an earlier comparison whose place this
    one takes, and drift is told against it.
    """

    gallery: Subject
    probe: Subject
    threshold: float | None = None
    instead_of: Key | None = None

    @property
    def key(self) -> Key:
        return Key(self.gallery.side, self.probe.side)

    @property
    def alone(self) -> bool:
        return self.gallery.side == self.probe.side


def judge(
    wanted: Sequence[Asked],
    labels: ArrayLike,
    fmrs: Sequence[float],
    *,
    seed: int = 0,
    on_done: Callable[[], object] = lambda: None,
) -> tuple[Comparison, ...]:
    """Compare every image of the gallery with every other image of the probe, as often as asked.

    Subjects whose contracts are known to name different spaces are refused.
    """
    for asked in wanted:
        if asked.gallery.contract is not None and asked.probe.contract is not None:
            require_same_space(asked.gallery.contract, asked.probe.contract)
    people = np.asarray(labels)
    done: dict[Key, tuple[Asked, Comparison]] = {}
    for asked in wanted:
        found = judged_scores(
            asked.key,
            scores_of(asked.gallery, asked.probe, people),
            fmrs,
            asked.threshold,
            seed=seed,
        )
        if not asked.alone:
            same = _told(np.einsum("nd,nd->n", asked.gallery.rows, asked.probe.rows))
            found = replace(found, same_image=same)
        if asked.instead_of is not None:
            found = replace(found, drift=_drift(*done[asked.instead_of], asked, found, people))
        done[asked.key] = asked, found
        on_done()
    return tuple(comparison for _, comparison in done.values())


def scores_of(gallery: Subject, probe: Subject, labels: ArrayLike) -> PairScores:
    """The scores of all pairs of different images."""
    if gallery.side == probe.side:
        return pairs_within(gallery.rows, labels)
    images = np.arange(len(gallery.rows))
    return pairs_between(
        gallery.rows, labels, probe.rows, labels, gallery_images=images, probe_images=images
    )


@dataclass(frozen=True, slots=True, eq=False)
class BareRates:
    """Without intervals: of many candidates on the same people, where only the order counts."""

    scores: PairScores
    points: dict[float, OperatingPoint | Insufficient]

    @property
    def eer(self) -> float | None:
        found = equal_error(self.scores)
        return None if isinstance(found, Insufficient) else found.rate

    @property
    def people(self) -> int:
        return len(np.unique(self.scores.genuine_subjects))


def bare_rates(scores: PairScores, fmrs: Sequence[float] = ()) -> BareRates:
    """What the checks of a training, a comparison of methods and a search for layers ask for."""
    return BareRates(scores, {fmr: operating_point(scores, fmr) for fmr in fmrs})


def judged_scores(
    key: Key,
    scores: PairScores,
    fmrs: Sequence[float],
    threshold: float | None = None,
    *,
    seed: int = 0,
) -> Comparison:
    """The same figures for scores from anywhere, such as a list of pairs."""
    evidence = evidence_of(scores, seed=seed)
    return Comparison(
        gallery=key.gallery,
        probe=key.probe,
        images=len(scores.gallery_subjects),
        subjects=scores.subjects,
        genuine=len(scores.genuine),
        impostor=scores.impostors,
        confidence=CONFIDENCE,
        eer=_equal_error(evidence),
        # told to six digits: the same rate twice is one
        tar=tuple(_tar(evidence, fmr) for fmr in {f"{one:g}": one for one in fmrs}.values()),
        histogram=_histogram(scores),
        det=_det(evidence),
        at_threshold=None if threshold is None else _at(evidence, threshold),
    )


def cosines_of(one: Floats, other: Floats) -> Cosines:
    """How near two embeddings of the same pictures are, of whatever length their rows."""
    if one.shape != other.shape or one.ndim != 2 or not len(one):
        raise EmbedgeError(
            "E-PARITY",
            f"embeddings of shape {other.shape} cannot be compared with {one.shape}",
            remedy="Embed the same pictures with both graphs",
        )
    return _told(np.sum(_directions(one) * _directions(other), axis=1))


def _told(cosines: Floats) -> Cosines:
    return Cosines(
        float(cosines.mean()),
        float(np.percentile(cosines, 1)),
        float(cosines.min()),
        len(cosines),
    )


def _directions(rows: Floats) -> NDArray[np.float64]:
    if not np.isfinite(rows).all():
        raise EmbedgeError(
            "E-NAN", "an embedding holds NaN or infinity", remedy="Check the graph in float32 first"
        )
    return unit_rows(rows.astype(np.float64))


def _equal_error(evidence: Evidence) -> EqualErrorRate | None:
    point = equal_error(evidence.scores)
    if isinstance(point, Insufficient):
        return None
    interval = equal_error_interval(evidence, point)
    return EqualErrorRate(point.rate, interval.low, interval.high, point.threshold)


def _tar(evidence: Evidence, fmr: float) -> TarPoint:
    point = carried_point(evidence, fmr)
    if isinstance(point, Insufficient):
        return TarPoint(fmr, needs=point.needs, have=point.have, of=point.what)
    interval, scores = tar_interval(evidence, point), evidence.scores
    return TarPoint(
        fmr,
        point.tar,
        interval.low,
        interval.high,
        point.threshold,
        measured=_rate(point.fmr, fmr_interval(evidence, point.threshold)),
        false_matches=scores.impostors_above(point.threshold),
        false_non_matches=round((1 - point.tar) * len(scores.genuine)),
    )


def _at(evidence: Evidence, threshold: float) -> AtThreshold | None:
    scores = evidence.scores
    if not scores.impostors or not len(scores.genuine):
        return None
    return AtThreshold(
        threshold,
        _rate(false_match_rate(scores, threshold), fmr_interval(evidence, threshold)),
        _rate(false_non_match_rate(scores, threshold), fnmr_interval(evidence, threshold)),
        evidence.strangers.doubled(scores.impostors_above(threshold)),
    )


def _rate(rate: float, interval: Interval) -> Rate:
    return Rate(rate, interval.low, interval.high)


def _det(evidence: Evidence) -> DetCurve | None:
    scores = evidence.scores
    if not scores.impostors or not len(scores.genuine):
        return None
    thresholds = det_thresholds(scores, _DET_POINTS).tolist()
    fnmr = [false_non_match_rate(scores, limit) for limit in thresholds]
    # equal FNMRs share their band: most points of a good model lie on a few steps
    bands = {rate: fnmr_interval(evidence, limit) for rate, limit in zip(fnmr, thresholds)}
    return DetCurve(
        tuple(thresholds),
        tuple(false_match_rate(scores, limit) for limit in thresholds),
        tuple(fnmr),
        tuple(bands[rate].low for rate in fnmr),
        tuple(bands[rate].high for rate in fnmr),
    )


def _histogram(scores: PairScores) -> Histogram:
    step = BINS // _HISTOGRAM_BINS

    def coarse(counts: NDArray[np.int64]) -> tuple[int, ...]:
        return tuple(counts.reshape(_HISTOGRAM_BINS, step).sum(axis=1).tolist())

    genuine = score_histogram(scores.genuine)
    return Histogram(
        tuple(EDGES[::step].tolist()), coarse(genuine), coarse(scores.impostor_histogram())
    )


def _drift(
    before: Asked, known: Comparison, after: Asked, found: Comparison, labels: NDArray[np.generic]
) -> Drift:
    """How the threshold moves and decisions flip, at every FMR that both carry."""
    limits = [
        (old.fmr, old.threshold, new.threshold)
        for old, new in zip(known.tar, found.tar, strict=True)
        if old.threshold is not None and new.threshold is not None
    ]
    flips = np.zeros((len(limits), 2, 2), np.int64)
    comparisons = 0
    for rows, columns, wanted in _blocks(len(labels), once=before.alone and after.alone):
        was, now = (
            asked.gallery.rows[rows] @ asked.probe.rows[columns].T for asked in (before, after)
        )
        same = labels[rows][:, None] == labels[columns]
        comparisons += int(wanted.sum())
        for number, (_, limit, _) in enumerate(limits):
            passed, passes = was > limit, now > limit
            for people, kind in enumerate((same & wanted, ~same & wanted)):
                flips[number, people, 0] += int((passed & ~passes & kind).sum())
                flips[number, people, 1] += int((passes & ~passed & kind).sum())
    points = (
        DriftPoint(*limit, comparisons, *(int(count) for count in counts.ravel()))
        for limit, counts in zip(limits, flips)
    )
    return Drift(known.key, tuple(points))


def _blocks(images: int, *, once: bool) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """Blocks of all pairs of different images, each pair once or in both roles."""
    for top in range(0, images, _BLOCK):
        for left in range(top if once else 0, images, _BLOCK):
            rows = np.arange(top, min(top + _BLOCK, images))
            columns = np.arange(left, min(left + _BLOCK, images))
            wanted = rows[:, None] < columns if once else rows[:, None] != columns
            yield slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1), wanted
