"""Error rates of a verifier, per comparison (ISO/IEC 19795-1); it accepts strictly above."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.calibration.scores import EDGES, PairScores

__all__ = [
    "EqualError",
    "Insufficient",
    "OperatingPoint",
    "allowed_errors",
    "det_thresholds",
    "equal_error",
    "false_match_rate",
    "false_non_match_rate",
    "impostor_limit",
    "operating_point",
    "people_for",
]


@dataclass(frozen=True, slots=True)
class Insufficient:
    """A figure that the data cannot carry: it has `have` of the `needs` things it takes."""

    needs: int
    have: int
    what: str = "impostor comparisons"

    def __str__(self) -> str:
        return f"insufficient data: needs {self.needs:,} {self.what}, has {self.have:,}"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a verifier does at the largest FMR not above `fmr_target`."""

    fmr_target: float
    threshold: float
    fmr: float
    tar: float


@dataclass(frozen=True, slots=True)
class EqualError:
    """Where FMR and FNMR are closest; `rate` is their mean there."""

    rate: float
    threshold: float


def false_match_rate(scores: PairScores, threshold: float) -> float:
    return scores.impostors_above(threshold) / scores.impostors


def false_non_match_rate(scores: PairScores, threshold: float) -> float:
    rejected = np.searchsorted(scores.genuine, np.float32(threshold), "right")
    return float(rejected) / len(scores.genuine)


def allowed_errors(fmr_target: float, comparisons: int) -> int:
    """How many false matches keep the FMR at or under the target."""
    return min(comparisons, math.floor(fmr_target * comparisons * (1 + 1e-12)))


def people_for(fmr_target: float, confidence: float = CONFIDENCE) -> int:
    """How many people it takes at least: their different pairs are to hold the rule of three."""
    pairs = math.log1p(-confidence) / math.log1p(-fmr_target) if fmr_target < 1 else 1.0
    return math.ceil((1 + math.sqrt(1 + 8 * pairs)) / 2)


def impostor_limit(scores: PairScores, fmr_target: float) -> float | Insufficient:
    """The smallest impostor score with an FMR at or under the target.

    An FMR needs 3/FMR comparisons: with fewer, even none at all wrong leaves it open (rule of 3).
    """
    needs = math.ceil(3 / fmr_target)
    if scores.impostors < needs:
        return Insufficient(needs, scores.impostors)
    allowed = allowed_errors(fmr_target, scores.impostors)
    if allowed < len(scores.tail):
        return float(scores.tail[len(scores.tail) - 1 - allowed])
    return _body_limit(scores, allowed)


def operating_point(scores: PairScores, fmr_target: float) -> OperatingPoint | Insufficient:
    """TAR at the largest FMR not above the target."""
    if not len(scores.genuine):
        return Insufficient(1, 0, "genuine comparisons")
    threshold = impostor_limit(scores, fmr_target)
    if isinstance(threshold, Insufficient):
        return threshold
    return OperatingPoint(
        fmr_target,
        threshold,
        false_match_rate(scores, threshold),
        1 - false_non_match_rate(scores, threshold),
    )


def equal_error(scores: PairScores) -> EqualError | Insufficient:
    if not len(scores.genuine):
        return Insufficient(1, 0, "genuine comparisons")
    if not scores.impostors:
        return Insufficient(1, 0)
    # FNMR - FMR only grows with the threshold: bisect over the scores that can be thresholds
    candidates = _thresholds(scores)
    low, high = 0, len(candidates) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _excess(scores, candidates[middle]) < 0:
            low = middle
        else:
            high = middle
    pair = (float(candidates[low]), float(candidates[high]))
    best = min(pair, key=lambda threshold: abs(_excess(scores, threshold)))
    rate = (false_match_rate(scores, best) + false_non_match_rate(scores, best)) / 2
    return EqualError(rate, best)


def det_thresholds(scores: PairScores, points: int) -> NDArray[np.float64]:
    """At most `points`, spaced evenly in log FMR from all comparisons to a single one."""
    ranks = np.unique(np.geomspace(1, scores.impostors, points - 1).astype(np.int64)) - 1
    held = ranks[ranks < len(scores.tail)]
    exact = scores.tail[len(scores.tail) - 1 - held].astype(np.float64)
    body = np.asarray([_body_limit(scores, int(r)) for r in ranks[len(held) :]])
    return np.unique(np.concatenate([[-1.0], body, exact]))


def _excess(scores: PairScores, threshold: float) -> float:
    return false_non_match_rate(scores, threshold) - false_match_rate(scores, threshold)


def _thresholds(scores: PairScores) -> NDArray[np.float32]:
    """Every score at which a rate steps, and the bin edges where only counts are held."""
    edges = np.asarray([-1.0, 1.0] if scores.exact else EDGES, np.float32)
    return np.unique(np.concatenate([scores.genuine, scores.tail, edges]))


def _body_limit(scores: PairScores, allowed: int) -> float:
    """The lowest bin edge with at most `allowed` impostors above it."""
    above = len(scores.tail) + np.cumsum(scores.body[::-1])[::-1]
    return float(EDGES[int(np.argmax(np.append(above, 0) <= allowed))])
