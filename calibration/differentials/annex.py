"""Groups side by side at one threshold: each its own rates, every pair its FMR, the worst named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.shares import share_of_comparisons
from embedge.calibration.differentials.crossed import CrossedRate, crossed_rates, false_matches
from embedge.calibration.evaluation.figures import Count, Rate
from embedge.calibration.evaluation.slices import GroupLabels, GroupRatio
from embedge.calibration.rates import people_for
from embedge.calibration.scores import Float32

__all__ = ["GroupAnnex", "GroupRates", "group_annex"]

_RATES: tuple[Literal["fmr"], Literal["fnmr"]] = ("fmr", "fnmr")


@dataclass(frozen=True, slots=True)
class GroupRates:
    """One group by itself. `needs_people` is how many more it takes to show the FMR asked for."""

    value: str
    people: Count
    pictures: Count
    needs_people: Count
    impostor: Count
    false_matches: Count
    fmr: Rate | None
    genuine: Count
    rejected: Count
    fnmr: Rate | None


@dataclass(frozen=True, slots=True)
class GroupAnnex:
    """An attribute: its groups, every pair of them, and the worst beside the best."""

    attribute: str
    fewest_people: Count
    groups: tuple[GroupRates, ...]
    crossed: tuple[CrossedRate, ...]
    worst: tuple[GroupRatio, ...]


def group_annex(
    embeddings: Float32,
    subjects: NDArray[np.int64],
    labels: GroupLabels,
    threshold: float,
    fmr: float,
) -> tuple[GroupAnnex, ...]:
    """Differentials at one threshold for everybody; groups too small to show `fmr` are told."""
    coded = {name: _coded(values) for name, values in labels.values.items()}
    found = false_matches(embeddings, subjects, list(coded.values()), [threshold])
    annexes = []
    for (attribute, (codes, names)), part in zip(coded.items(), found):
        crossed = crossed_rates(part, 0)
        within = {rate.one: rate for rate in crossed if rate.one == rate.other}
        groups = tuple(
            _group(embeddings, subjects, codes == number, within[name], threshold, fmr)
            for number, name in enumerate(names)
        )
        worst = tuple(_worst(groups, attribute, rate) for rate in _RATES)
        annexes.append(GroupAnnex(attribute, people_for(fmr), groups, crossed, worst))
    return tuple(annexes)


def _coded(values: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """-1 for what has no value: it falls into the last, unused column of the counts."""
    names = sorted(set(values) - {""})
    places = {name: number for number, name in enumerate(names)}
    return np.array([places.get(value, -1) for value in values], np.int64), tuple(names)


def _group(
    embeddings: Float32,
    subjects: NDArray[np.int64],
    rows: NDArray[np.bool_],
    within: CrossedRate,
    threshold: float,
    fmr: float,
) -> GroupRates:
    whose, marked = _rejections(embeddings[rows], subjects[rows], threshold)
    people = len(np.unique(subjects[rows]))
    return GroupRates(
        within.one,
        people,
        int(rows.sum()),
        max(0, people_for(fmr) - people),
        within.comparisons,
        within.false_matches,
        within.fmr,
        len(marked),
        int(marked.sum()),
        share_of_comparisons(whose, marked) if len(marked) else None,
    )


def _rejections(
    rows: Float32, subjects: NDArray[np.int64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of every genuine comparison whose it is, and whether it is rejected."""
    order = np.argsort(subjects, kind="stable")
    people, starts = np.unique(subjects[order], return_index=True)
    whose, marked = [np.empty(0, np.int64)], [np.empty(0, bool)]
    for person, members in zip(people, np.split(order, starts[1:])):
        a, b = np.triu_indices(len(members), 1)
        cosines = np.einsum("nd,nd->n", rows[members[a]], rows[members[b]], dtype=np.float64)
        whose.append(np.full(len(a), person))
        marked.append(cosines <= threshold)
    return np.concatenate(whose), np.concatenate(marked)


def _worst(
    groups: Sequence[GroupRates], attribute: str, rate: Literal["fmr", "fnmr"]
) -> GroupRatio:
    """By the near ends of both intervals, so that what chance explains is not named."""
    known = sorted(
        (found.rate, found.low, found.high, group.value)
        for group in groups
        if (found := getattr(group, rate)) is not None
    )
    if len(known) < 2:
        return GroupRatio(attribute, rate)
    (least, _, high, best), (most, low, _, worst) = known[0], known[-1]
    ratio = most / least if least else None
    return GroupRatio(attribute, rate, worst, best, ratio, max(1.0, low / high))
