"""Search of probes in a gallery (1:N): rank, and FNIR at an FPIR."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.intervals.lead import clustered_interval
from embedge.calibration.rates import allowed_errors
from embedge.calibration.scores import Float32

__all__ = ["IdentificationRates", "SearchPoint", "Searched", "identification", "searched"]

_PROBES = 1024
_ROUNDS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What the search of every probe found.

    `best` is the highest score of anybody else; `mate` that of the probe's own subject, and `rank`
    its place (1 is first, ties count against it). Both are -inf and 0 where the gallery lacks the
    subject.
    """

    subjects: NDArray[np.int64]
    best: Float32
    mate: Float32
    rank: NDArray[np.int64]

    @property
    def mated(self) -> NDArray[np.bool_]:
        return self.rank > 0


@dataclass(frozen=True, slots=True)
class SearchPoint:
    """FNIR: the share of mated probes whose mate is not first, or not above the threshold.

    Where it cannot be told, `needs` says how many searches it takes, and `of` by whom.
    """

    fpir_target: Share
    threshold: float | None = None
    fpir: Share | None = None
    fnir: Share | None = None
    low: Share | None = None
    high: Share | None = None
    needs: Count | None = None
    of: str = ""


@dataclass(frozen=True, slots=True)
class IdentificationRates:
    """`ranks`: the share of mated probes whose mate is among the first so many."""

    gallery: Count
    mated: Count
    non_mated: Count
    ranks: dict[str, Share]
    points: tuple[SearchPoint, ...]


def searched(
    gallery: Float32,
    gallery_subjects: NDArray[np.int64],
    probes: Float32,
    probe_subjects: NDArray[np.int64],
) -> Searched:
    """Search every probe in the whole gallery, block by block."""
    best = np.full(len(probes), -np.inf, np.float32)
    mate = np.full(len(probes), -np.inf, np.float32)
    rank = np.zeros(len(probes), np.int64)
    for start in range(0, len(probes), _PROBES):
        part = slice(start, start + _PROBES)
        scores = probes[part] @ gallery.T
        own = probe_subjects[part][:, None] == gallery_subjects
        others = np.where(own, -np.inf, scores)
        best[part] = others.max(axis=1, initial=-np.inf)
        mate[part] = np.where(own, scores, -np.inf).max(axis=1, initial=-np.inf)
        ahead = (others >= mate[part][:, None]).sum(axis=1)
        rank[part] = np.where(own.any(axis=1), ahead + 1, 0)
    return Searched(probe_subjects, best, mate, rank)


def identification(
    found: Searched,
    gallery: int,
    fpirs: Sequence[float],
    ranks: Sequence[int] = (1, 5, 10),
    *,
    seed: int = 0,
) -> IdentificationRates:
    mated = found.mated
    places = found.rank[mated]
    return IdentificationRates(
        gallery,
        int(mated.sum()),
        int((~mated).sum()),
        {str(rank): float((places <= rank).mean()) for rank in ranks} if len(places) else {},
        tuple(_point(found, fpir, seed) for fpir in fpirs),
    )


def _point(found: Searched, fpir: float, seed: int) -> SearchPoint:
    mated = found.mated
    strangers = np.sort(found.best[~mated])
    needs = math.ceil(3 / fpir)
    if len(strangers) < needs:
        return SearchPoint(fpir, needs=needs, of="people not in the gallery")
    if not mated.any():
        return SearchPoint(fpir, needs=1, of="people in the gallery")
    threshold = strangers[len(strangers) - 1 - allowed_errors(fpir, len(strangers))]
    hit = np.where(found.rank[mated] == 1, found.mate[mated], -np.inf)
    fnir = float((hit <= threshold).mean())
    rounds = _rounds(found, hit, fpir, seed)
    interval = clustered_interval(fnir, rounds, len(np.unique(found.subjects[mated])))
    return SearchPoint(
        fpir,
        float(threshold),
        float((strangers > threshold).mean()),
        fnir,
        interval.low,
        interval.high,
    )


def _rounds(found: Searched, hit: Float32, fpir: float, seed: int) -> NDArray[np.float64]:
    """FNIR when other people had searched, each round with its own threshold."""
    mated = found.mated
    _, codes = np.unique(found.subjects, return_inverse=True)
    people = int(codes.max()) + 1
    order = np.argsort(-found.best[~mated], kind="stable")
    strangers, owners = found.best[~mated][order], codes[~mated][order]
    generator = np.random.default_rng(seed)
    rates = []
    for _ in range(_ROUNDS):
        drawn = np.bincount(generator.integers(0, people, people), minlength=people)
        counts = np.cumsum(drawn[owners])
        allowed = fpir * counts[-1]
        threshold = strangers[min(int(np.searchsorted(counts, allowed, "right")), len(counts) - 1)]
        weights = drawn[codes[mated]]
        if counts[-1] and weights.sum():
            rates.append(weights[hit <= threshold].sum() / weights.sum())
    return np.asarray(rates)
