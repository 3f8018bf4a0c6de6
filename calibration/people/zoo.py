"""Who matches or fails most: errors are seldom spread evenly, and a mean hides that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count
from embedge.calibration.scores import PairScores

__all__ = ["Zoo", "ZooPerson", "zoo_of"]

_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class ZooPerson:
    """Somebody by a number that says nothing but their place in this list.

    `rejected` of the `genuine` comparisons lie under the line; `matched` impostor comparisons with
    anybody lie above it. A cosine is None where there is no such comparison or only its count.
    """

    number: Count
    genuine: Count
    rejected: Count
    matched: Count
    mean_genuine: float | None = None
    highest_impostor: float | None = None


@dataclass(frozen=True, slots=True)
class Zoo:
    """`people` are those with the most errors at `threshold` first; `others` are not listed."""

    comparison: str
    line: str
    threshold: float
    people: tuple[ZooPerson, ...]
    others: Count = 0

    @property
    def worst_share(self) -> float | None:
        """Share of all errors that the worst tenth of those listed make; None without errors."""
        errors = [one.rejected + one.matched for one in self.people]
        worst = errors[: -(-(len(errors) + self.others) // 10)]
        return sum(worst) / sum(errors) if sum(errors) else None


def zoo_of(scores: PairScores, threshold: float, comparison: str, line: str) -> Zoo | None:
    """None where there are more false matches than are held with who they are of."""
    codes, above = scores.codes, scores.tail > np.float32(threshold)
    if np.count_nonzero(above) < scores.impostors_above(threshold):
        return None
    own, wrong = scores.genuine_subjects, scores.genuine <= np.float32(threshold)
    genuine, rejected = (np.bincount(some, minlength=codes) for some in (own, own[wrong]))
    sums = np.bincount(own, scores.genuine, minlength=codes)
    left, right = scores.tail_pairs.T
    ends = scores.gallery_subjects[left], scores.probe_subjects[right]
    matched = np.bincount(np.concatenate([end[above] for end in ends]), minlength=codes)
    highest = np.full(codes, -np.inf)
    for end in ends:
        np.maximum.at(highest, end, scores.tail)
    there = np.union1d(scores.gallery_subjects, scores.probe_subjects)
    order = _worst_first(there, rejected + matched, sums / np.maximum(genuine, 1))
    people = tuple(
        ZooPerson(
            number,
            int(genuine[code]),
            int(rejected[code]),
            int(matched[code]),
            float(sums[code] / genuine[code]) if genuine[code] else None,
            float(highest[code]) if np.isfinite(highest[code]) else None,
        )
        for number, code in enumerate(order[:_MOST_SHOWN].tolist(), start=1)
    )
    return Zoo(comparison, line, threshold, people, max(len(order) - _MOST_SHOWN, 0))


def _worst_first(
    there: NDArray[np.integer], errors: NDArray[np.integer], means: NDArray[np.float64]
) -> NDArray[np.integer]:
    """Of those with equally many errors, who is least like themselves."""
    found: NDArray[np.integer] = there[np.lexsort((means[there], -errors[there]))]
    return found
