"""Groups side by side at one threshold: each its own rates, every pair its FMR, the worst named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.shares import share_of_comparisons
from embedge.calibration.differentials.crossed import (
    CrossedRate,
    FalseMatches,
    crossed_rate,
    crossed_rates,
    false_matches,
)
from embedge.calibration.evaluation.figures import Count, Rate
from embedge.calibration.evaluation.slices import (
    GroupLabels,
    GroupRate,
    GroupRatio,
    Ungrouped,
    ungrouped,
    worst_beside_best,
)
from embedge.calibration.intervals.interval import Interval
from embedge.calibration.rates import people_for
from embedge.calibration.scores import Float32

__all__ = ["GroupAnnex", "GroupRates", "group_annex", "rejections"]

_NOBODY = (0.0, ""), (0.0, "")
Marked = tuple[NDArray[np.int64], NDArray[np.bool_]]


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
    ungrouped: Ungrouped | None = None

    def __post_init__(self) -> None:
        for told in self.worst:
            rates = sorted(
                (found.rate, group.value)
                for group in self.groups
                if (found := getattr(group, told.rate)) is not None
            )
            (least, best), (most, worst) = (rates[0], rates[-1]) if rates[1:] else _NOBODY
            ratio = most / least if least else None
            if (told.best, told.worst, told.ratio) != (best, worst, ratio):
                raise ValueError(
                    f"the worst {told.rate.upper()} of {self.attribute} is not that of its groups"
                )


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
    every = int(rejections(embeddings, subjects, threshold)[1].sum())
    annexes = []
    for (attribute, (codes, names)), part in zip(coded.items(), found):
        crossed = crossed_rates(part, 0)
        within = {rate.one: rate for rate in crossed if rate.one == rate.other}
        marks = [
            rejections(embeddings[codes == n], subjects[codes == n], threshold)
            for n in range(len(names))
        ]
        groups = tuple(
            _group(subjects[codes == number], marks[number], within[name], fmr)
            for number, name in enumerate(names)
        )
        worst = _worst(attribute, groups, part, marks)
        inside = sum(group.rejected for group in groups)
        outside = ungrouped(attribute, labels.values[attribute], subjects, every, inside)
        annexes.append(GroupAnnex(attribute, people_for(fmr), groups, crossed, worst, outside))
    return tuple(annexes)


def _worst(
    attribute: str, groups: Sequence[GroupRates], part: FalseMatches, marks: Sequence[Marked]
) -> tuple[GroupRatio, ...]:
    def matching(number: int, confidence: float) -> Rate | None:
        return crossed_rate(part, 0, number, number, confidence).fmr

    def rejected(number: int, confidence: float) -> Rate | None:
        return share_of_comparisons(*marks[number], confidence)

    return (
        worst_beside_best(attribute, "fmr", _known(groups, "fmr", matching)),
        worst_beside_best(attribute, "fnmr", _known(groups, "fnmr", rejected)),
    )


def _known(
    groups: Sequence[GroupRates],
    rate: Literal["fmr", "fnmr"],
    again: Callable[[int, float], Rate | None],
) -> list[GroupRate]:
    """Of groups that have the rate; `again` has it of a number, at another confidence."""

    def interval(number: int, confidence: float) -> Interval:
        found = again(number, confidence)
        assert found is not None, "asked of groups that have the rate"
        return Interval(found.low, found.high)

    return [
        GroupRate(group.value, found.rate, partial(interval, number))
        for number, group in enumerate(groups)
        if (found := getattr(group, rate)) is not None
    ]


def _coded(values: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """-1 for what has no value: it falls into the last, unused column of the counts."""
    names = sorted(set(values) - {""})
    places = {name: number for number, name in enumerate(names)}
    return np.array([places.get(value, -1) for value in values], np.int64), tuple(names)


def _group(
    subjects: NDArray[np.int64], marks: Marked, within: CrossedRate, fmr: float
) -> GroupRates:
    marked, people = marks[1], len(np.unique(subjects))
    return GroupRates(
        within.one,
        people,
        len(subjects),
        max(0, people_for(fmr) - people),
        within.comparisons,
        within.false_matches,
        within.fmr,
        len(marked),
        int(marked.sum()),
        share_of_comparisons(*marks) if len(marked) else None,
    )


def rejections(rows: Float32, subjects: NDArray[np.int64], threshold: float) -> Marked:
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
