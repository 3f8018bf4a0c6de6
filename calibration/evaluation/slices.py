"""Error rates of groups and conditions, from a file that labels people or pictures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.bootstrap import ROUNDS, resampled
from embedge.calibration.intervals.rates import CONFIDENCE, Interval, fmr_interval, fnmr_interval
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import false_match_rate, false_non_match_rate
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError

__all__ = ["GroupLabels", "Slice", "Slices", "group_labels", "sliced"]


@dataclass(frozen=True, slots=True, eq=False)
class GroupLabels:
    """For each attribute the value of each face; an empty value stays out."""

    values: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Slice:
    """Comparisons within one group. A rate is None where the group has no such comparison."""

    label: str
    value: str
    images: int
    subjects: int
    genuine: int
    impostor: int
    fmr: float | None
    fmr_interval: Interval | None
    fnmr: float | None
    fnmr_interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        row = asdict(self)
        for rate in ("fmr", "fnmr"):
            interval = row.pop(f"{rate}_interval") or {"low": None, "high": None}
            row[f"{rate}_low"], row[f"{rate}_high"] = interval["low"], interval["high"]
        return row


@dataclass(frozen=True, slots=True)
class Slices:
    threshold: float
    slices: tuple[Slice, ...]

    def to_json(self) -> dict[str, Any]:
        labels = list(dict.fromkeys(part.label for part in self.slices))
        return {
            "threshold": self.threshold,
            "confidence": CONFIDENCE,
            "slices": [part.to_json() for part in self.slices],
            "worst": [self._worst(label, rate) for label in labels for rate in ("fmr", "fnmr")],
        }

    def _worst(self, label: str, rate: str) -> dict[str, Any]:
        """How many times as bad the worst group is as the best, and at least so many times."""
        known = [
            (getattr(part, rate), getattr(part, f"{rate}_interval"), part.value)
            for part in self.slices
            if part.label == label and getattr(part, rate) is not None
        ]
        if len(known) < 2:
            return {"label": label, "rate": rate, "ratio": None, "at_least": None}
        worst, best = max(known, key=_first), min(known, key=_first)
        return {
            "label": label,
            "rate": rate,
            "worst": worst[2],
            "best": best[2],
            "ratio": worst[0] / best[0] if best[0] else None,
            "at_least": max(1.0, worst[1].low / best[1].high),
        }


def group_labels(path: Path, names: Sequence[str]) -> GroupLabels:
    """Read tab-separated labels: a header NAME, ATTRIBUTE…; then a person's or a picture's."""
    try:
        lines = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
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
    rows = [known.get(name) or known.get(_person(name)) or absent for name in names]
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
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Slices:
    """Rates at one threshold for everybody, among the faces of each group."""
    parts = []
    for label, values in groups.values.items():
        column = np.asarray(values)
        for value in sorted(set(values) - {""}):
            rows = column == value
            parts.append(
                _slice(label, value, embeddings[rows], subjects[rows], threshold, rounds, seed)
            )
    return Slices(threshold, tuple(parts))


def _slice(
    label: str,
    value: str,
    embeddings: Float32,
    subjects: NDArray[np.int64],
    threshold: float,
    rounds: int,
    seed: int,
) -> Slice:
    scores = pairs_within(embeddings, subjects)
    resampling = resampled(scores, rounds=rounds, seed=seed)
    matches, mates = scores.impostors > 0, len(scores.genuine) > 0
    return Slice(
        label,
        value,
        len(embeddings),
        scores.subjects,
        len(scores.genuine),
        scores.impostors,
        false_match_rate(scores, threshold) if matches else None,
        fmr_interval(resampling, threshold) if matches else None,
        false_non_match_rate(scores, threshold) if mates else None,
        fnmr_interval(resampling, threshold) if mates else None,
    )


def _first(known: tuple[float, Interval, str]) -> float:
    return known[0]


def _person(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()


def _bad(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-SLICES",
        f"this is no file of groups: {what}",
        where=path,
        remedy="Write a header NAME, ATTRIBUTE…, then a line for each person or picture, with tabs",
    )
