"""What the figures of one comparison deny each other: counts, histogram, curve and points."""

from collections.abc import Iterator
from itertools import pairwise

from embedge.calibration.evaluation.figures import Comparison, DetCurve
from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.report.soundness.counts.points import around, miscounted

__all__ = ["denied"]

_ROUNDED = 1e-6


def denied(one: Comparison, again: int = 0) -> Iterator[str]:
    """Every impossibility, in words; intervals are held elsewhere."""
    if one.subjects > one.images:
        yield f"{one.subjects:,} people of {one.images:,} pictures"
    if abs(one.confidence - CONFIDENCE) > _ROUNDED:
        yield f"intervals at {one.confidence:g}, where all are at {CONFIDENCE:g}"
    told = (("genuine", one.histogram.genuine), ("impostor", one.histogram.impostor))
    for (kind, counts), pairs in zip(told, (one.genuine, one.impostor)):
        if sum(counts) != pairs:
            yield f"its histogram holds {sum(counts):,} {kind} comparisons of {pairs:,}"
    yield from _order(one)
    yield from miscounted(one, again)
    if one.det is not None and one.det.threshold:
        yield from _curve(one.det)
        yield from _on_curve(one, one.det)
    elif one.eer is not None:
        yield "it has an equal error rate and no DET curve"


def _order(one: Comparison) -> Iterator[str]:
    """A looser FMR accepts no fewer."""
    points = [point for point in one.tar if point.tar is not None]
    for strict, loose in pairwise(sorted(points, key=lambda point: point.fmr)):
        if (strict.tar or 0.0) > (loose.tar or 0.0) + _ROUNDED:
            yield f"TAR at FMR {strict.fmr:g} is above that at {loose.fmr:g}"
        if _falls(strict.threshold, loose.threshold):
            yield f"the threshold of FMR {strict.fmr:g} is below that of {loose.fmr:g}"


def _falls(strict: float | None, loose: float | None) -> bool:
    return strict is not None and loose is not None and strict < loose - _ROUNDED


def _curve(det: DetCurve) -> Iterator[str]:
    series = (("thresholds", det.threshold, 1), ("FMR", det.fmr, -1), ("FNMR", det.fnmr, 1))
    for what, values, sign in series:
        if any(sign * (after - before) < -_ROUNDED for before, after in pairwise(values)):
            yield f"the {what} of its DET curve {'fall' if sign > 0 else 'grow'} in between"
    ends = zip(det.low, det.fnmr, det.high)
    if any(low > rate + _ROUNDED or rate > high + _ROUNDED for low, rate, high in ends):
        yield "its DET curve leaves its own band"


def _on_curve(one: Comparison, det: DetCurve) -> Iterator[str]:
    """Every point lies between those of the curve on both sides of its threshold."""
    told: list[tuple[str, float, float | None, float | None]] = [
        (
            f"FMR {point.fmr:g}",
            point.threshold,
            None if point.measured is None else point.measured.rate,
            None if point.tar is None else 1 - point.tar,
        )
        for point in one.tar
        if point.threshold is not None
    ]
    if (at := one.at_threshold) is not None:
        told.append(("the device's threshold", at.threshold, at.fmr.rate, at.fnmr.rate))
    for where, threshold, fmr, fnmr in told:
        sides = ("FMR", fmr, _fmr_at(det, threshold)), ("FNMR", fnmr, _fnmr_at(det, threshold))
        for what, rate, (low, high) in sides:
            if rate is not None and not low - _ROUNDED <= rate <= high + _ROUNDED:
                yield f"at {where} its {what} is {rate:g}, and its DET curve {low:g} to {high:g}"
    if (eer := one.eer) is not None:
        ends = zip(_fmr_at(det, eer.threshold), _fnmr_at(det, eer.threshold))
        low, high = (sum(side) / 2 for side in ends)
        if not low - _ROUNDED <= eer.rate <= high + _ROUNDED:
            yield f"its equal error rate is {eer.rate:g}, and its DET curve {low:g} to {high:g}"


def _fmr_at(det: DetCurve, at: float) -> list[float]:
    return sorted(around(det, det.fmr, at, 1.0, 0.0))


def _fnmr_at(det: DetCurve, at: float) -> list[float]:
    return sorted(around(det, det.fnmr, at))
