"""What happens when the gallery was enrolled by one model and the probe comes from another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.evaluation.comparison import (
    AtThreshold,
    Comparison,
    DetBand,
    EqualErrorResult,
    Histogram,
    SameImage,
    TarResult,
)
from embedge.calibration.evaluation.drift import Reference, drift_from
from embedge.calibration.intervals.bootstrap import ROUNDS, Resampled, resampled
from embedge.calibration.intervals.rates import (
    equal_error_interval,
    fmr_interval,
    fnmr_interval,
    tar_interval,
)
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import (
    Insufficient,
    det,
    equal_error,
    false_match_rate,
    false_non_match_rate,
    operating_point,
)
from embedge.calibration.scores import BINS, EDGES, Float32, PairScores, score_histogram

__all__ = ["Reference", "compare", "compared_scores"]

_DET_POINTS = 120
_HISTOGRAM_BINS = 128


def compare(
    name: str,
    gallery: Float32,
    probe: Float32,
    labels: ArrayLike,
    fmrs: Sequence[float],
    threshold: float | None = None,
    *,
    roles: tuple[str, str] | None = None,
    reference: Reference | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Comparison:
    """Compare every image in the gallery's space with every other image in the probe's space.

    Row i of both arrays embeds the same image. Give the same array twice for one model alone.
    `roles` names the models of gallery and probe.
    """
    if gallery is probe:
        scores = pairs_within(gallery, labels)
    else:
        rows = np.arange(len(gallery))
        scores = pairs_between(
            gallery, labels, probe, labels, gallery_images=rows, probe_images=rows
        )
    same_image = None if gallery is probe else _same_image(gallery, probe)
    result = compared_scores(
        name,
        scores,
        fmrs,
        threshold,
        roles=roles,
        same_image=same_image,
        rounds=rounds,
        seed=seed,
    )
    if reference is None:
        return result
    return drift_from(reference, result, gallery, probe, np.asarray(labels))


def compared_scores(
    name: str,
    scores: PairScores,
    fmrs: Sequence[float],
    threshold: float | None = None,
    *,
    roles: tuple[str, str] | None = None,
    same_image: SameImage | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Comparison:
    """The same figures for scores from anywhere, such as a list of pairs."""
    resampling = resampled(scores, rounds=rounds, seed=seed)
    gallery, probe = roles or (name, name)
    return Comparison(
        name=name,
        gallery=gallery,
        probe=probe,
        images=len(scores.gallery_subjects),
        subjects=scores.subjects,
        genuine=len(scores.genuine),
        impostor=scores.impostors,
        eer=_equal_error(resampling),
        tar=tuple(_tar(resampling, fmr) for fmr in fmrs),
        det=_det(resampling),
        histogram=_histogram(scores),
        same_image=same_image,
        at_threshold=None if threshold is None else _at(resampling, threshold),
        drift=None,
    )


def _equal_error(resampling: Resampled) -> EqualErrorResult | Insufficient:
    point = equal_error(resampling.scores)
    if isinstance(point, Insufficient):
        return point
    interval = equal_error_interval(resampling, point)
    return EqualErrorResult(point.rate, point.threshold, interval)


def _tar(resampling: Resampled, fmr: float) -> TarResult:
    point = operating_point(resampling.scores, fmr)
    if isinstance(point, Insufficient):
        return TarResult(fmr, point)
    return TarResult(fmr, point, tar_interval(resampling, point))


def _at(resampling: Resampled, threshold: float) -> AtThreshold | Insufficient:
    scores = resampling.scores
    if not scores.impostors or not len(scores.genuine):
        return Insufficient(1, 0, "genuine and impostor comparisons")
    return AtThreshold(
        threshold,
        false_match_rate(scores, threshold),
        fmr_interval(resampling, threshold),
        false_non_match_rate(scores, threshold),
        fnmr_interval(resampling, threshold),
    )


def _det(resampling: Resampled) -> DetBand | None:
    scores = resampling.scores
    if not scores.impostors or not len(scores.genuine):
        return None
    curve = det(scores, _DET_POINTS)
    # equal FNMRs share their band: most points of a good model lie on a few steps
    bands = {
        rate: fnmr_interval(resampling, limit) for rate, limit in zip(curve.fnmr, curve.thresholds)
    }
    low = np.asarray([bands[rate].low for rate in curve.fnmr])
    high = np.asarray([bands[rate].high for rate in curve.fnmr])
    return DetBand(curve.thresholds, curve.fmr, curve.fnmr, low, high)


def _histogram(scores: PairScores) -> Histogram:
    step = BINS // _HISTOGRAM_BINS

    def coarse(counts: NDArray[np.int64]) -> NDArray[np.int64]:
        return counts.reshape(_HISTOGRAM_BINS, step).sum(axis=1)

    genuine = score_histogram(scores.genuine)
    return Histogram(EDGES[::step], coarse(genuine), coarse(scores.impostor_histogram()))


def _same_image(gallery: Float32, probe: Float32) -> SameImage:
    cosines = np.einsum("nd,nd->n", gallery, probe)
    return SameImage(float(cosines.mean()), float(np.percentile(cosines, 1)), float(cosines.min()))
