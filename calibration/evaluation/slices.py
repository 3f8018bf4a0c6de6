"""Error rates of groups and conditions, from a file that labels people or pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.intervals.interval import CONFIDENCE, Interval, ratio_at_least
from embedge.calibration.intervals.rates import (
    Evidence,
    evidence_of,
    fmr_interval,
    fnmr_interval,
)
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import false_match_rate, false_non_match_rate
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.printed import counted

__all__ = [
    "GroupLabels",
    "GroupRate",
    "GroupRatio",
    "Slice",
    "Slices",
    "Ungrouped",
    "group_labels",
    "sliced",
    "ungrouped",
    "worst_beside_best",
]

_ABSENT: tuple[float | None, float | None, float | None] = (None, None, None)
_MISSES = "false non-matches"
_RATES: Final[tuple[Literal["fmr", "fnmr"], ...]] = ("fmr", "fnmr")


@dataclass(frozen=True, slots=True, eq=False)
class GroupLabels:
    """For each attribute the value of each face; an empty value stays out."""

    values: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Slice:
    """Comparisons within one group. A rate is None where the group has no such comparison."""

    label: str
    value: str
    images: Count
    subjects: Count
    genuine: Count
    impostor: Count
    fmr: Share | None = None
    fmr_low: Share | None = None
    fmr_high: Share | None = None
    fnmr: Share | None = None
    fnmr_low: Share | None = None
    fnmr_high: Share | None = None


@dataclass(frozen=True, slots=True)
class GroupRatio:
    """How many times as bad the worst group is as the best, and at least so many times.

    `ratio` is None where the best makes no error, all of it where no two groups have the rate.
    """

    label: str
    rate: Literal["fmr", "fnmr"]
    worst: str = ""
    best: str = ""
    ratio: float | None = None
    at_least: float | None = None

    @property
    def words(self) -> str | None:
        """A sentence, where chance does not explain the difference."""
        if self.at_least is None or self.at_least <= 1:
            return None
        return (
            f"{self.rate.upper()} of {self.label} {self.worst} is at least"
            f" {self.at_least:.1f} times that of {self.best}."
        )


@dataclass(frozen=True, slots=True)
class Ungrouped:
    """People of whom no picture is in a group, all pictures in none, and what no group tells."""

    label: str
    people: Count
    pictures: Count
    rejected: Count
    of_rejected: Count

    @property
    def words(self) -> str:
        who = f"{counted(self.people, 'person', 'people')}, {counted(self.pictures, 'picture')}"
        errors = f"{self.rejected:,} of {counted(self.of_rejected, 'false non-match', _MISSES)}"
        return f"In no group of {self.label}: {who}, and {errors}."


def ungrouped(
    label: str,
    values: Sequence[str],
    subjects: NDArray[np.int64],
    rejected: int,
    within_groups: int,
) -> Ungrouped | None:
    """Whoever has no value. `rejected` are all false non-matches at the threshold."""
    there = np.asarray(values) != ""
    if there.all():
        return None
    people = len(np.setdiff1d(subjects[~there], subjects[there]))
    pictures = int((~there).sum())
    return Ungrouped(label, people, pictures, rejected - within_groups, rejected)


@dataclass(frozen=True, slots=True)
class Slices:
    """Groups at one threshold, or how many impostor comparisons such a threshold needs."""

    threshold: float | None = None
    needs: Count | None = None
    slices: tuple[Slice, ...] = ()
    worst: tuple[GroupRatio, ...] = ()
    ungrouped: tuple[Ungrouped, ...] = ()


def group_labels(path: Path, names: Sequence[str]) -> GroupLabels:
    """Read tab-separated labels: a header NAME, ATTRIBUTE…; then a person's or a picture's."""
    try:
        lines = [line.split("\t") for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"cannot read it: {error}") from error
    if not lines or len(lines[0]) < 2:
        raise _bad(path, "its first line does not name an attribute")
    attributes = [text.strip() for text in lines[0][1:]]
    known: dict[str, list[str]] = {}
    for number, (name, *values) in enumerate(lines[1:], 2):
        if len(values) != len(attributes):
            raise _bad(path, f"line {number} has {len(values)} values, not {len(attributes)}")
        known[name.strip()] = [value.strip() for value in values]
    absent = [""] * len(attributes)
    rows = [
        known.get(name) or known.get(PurePosixPath(name).parent.as_posix()) or absent
        for name in names
    ]
    if all(row is absent for row in rows):
        raise _bad(path, "it names none of the people or pictures of this test")
    columns = zip(*rows)
    return GroupLabels({name: list(column) for name, column in zip(attributes, columns)})


def sliced(
    embeddings: Float32,
    subjects: NDArray[np.int64],
    groups: GroupLabels,
    threshold: float,
    *,
    seed: int = 0,
    rejected: int = 0,
) -> Slices:
    """Rates at one threshold for everybody, among the faces of each group.

    `rejected` are the false non-matches of everybody.
    """
    parts = []
    for label, values in groups.values.items():
        column = np.asarray(values)
        for value in sorted(set(values) - {""}):
            rows = column == value
            scores = pairs_within(embeddings[rows], subjects[rows])
            evidence = evidence_of(scores, seed=seed)
            parts.append(_Part(_slice(label, value, evidence, threshold), evidence, threshold))
    worst = (_worst(parts, label, rate) for label in groups.values for rate in _RATES)
    outside = (
        ungrouped(label, values, subjects, rejected, _rejected(parts, label))
        for label, values in groups.values.items()
    )
    return Slices(
        threshold,
        slices=tuple(part.told for part in parts),
        worst=tuple(worst),
        ungrouped=tuple(one for one in outside if one is not None),
    )


def _rejected(parts: Sequence["_Part"], label: str) -> int:
    told = (part.told for part in parts if part.told.label == label)
    return sum(round((one.fnmr or 0.0) * one.genuine) for one in told)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A group, and what its rates rest on."""

    told: Slice
    evidence: Evidence
    threshold: float

    def interval(self, rate: Literal["fmr", "fnmr"], confidence: float) -> Interval:
        of = fmr_interval if rate == "fmr" else fnmr_interval
        return of(self.evidence, self.threshold, confidence)


def _slice(label: str, value: str, evidence: Evidence, threshold: float) -> Slice:
    scores = evidence.scores
    counts = (len(scores.gallery_subjects), scores.subjects, len(scores.genuine), scores.impostors)
    matches = mates = _ABSENT
    if scores.impostors:
        interval = fmr_interval(evidence, threshold)
        matches = (false_match_rate(scores, threshold), interval.low, interval.high)
    if len(scores.genuine):
        interval = fnmr_interval(evidence, threshold)
        mates = (false_non_match_rate(scores, threshold), interval.low, interval.high)
    return Slice(label, value, *counts, *matches, *mates)


def _worst(parts: Sequence[_Part], label: str, rate: Literal["fmr", "fnmr"]) -> GroupRatio:
    known = [
        GroupRate(part.told.value, found, partial(part.interval, rate))
        for part in parts
        if part.told.label == label and (found := getattr(part.told, rate)) is not None
    ]
    return worst_beside_best(label, rate, known)


@dataclass(frozen=True, slots=True)
class GroupRate:
    """A group's rate, and its interval at any confidence."""

    value: str
    rate: float
    interval: Callable[[float], Interval]


def worst_beside_best(
    label: str, rate: Literal["fmr", "fnmr"], known: Sequence[GroupRate]
) -> GroupRatio:
    """The worst beside the best: of more groups more pairs could have been so by chance."""
    if len(known) < 2:
        return GroupRatio(label, rate)
    best, *_, worst = sorted(known, key=lambda one: (one.rate, one.value))
    confidence = 1 - (1 - CONFIDENCE) / (len(known) * (len(known) - 1) / 2)
    return GroupRatio(
        label,
        rate,
        worst.value,
        best.value,
        worst.rate / best.rate if best.rate else None,
        ratio_at_least(
            worst.rate, worst.interval(confidence), best.rate, best.interval(confidence)
        ),
    )


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-SLICES",
        f"this is no file of groups: {what}",
        where=path,
        remedy="Write a header NAME, ATTRIBUTE…, then a line for each person or picture, with tabs",
    )
