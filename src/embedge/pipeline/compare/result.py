"""What a comparison of methods found, and its JSON form: `comparison.json`."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from embedge.calibration.evaluation.judge import BareRates
from embedge.calibration.rates import OperatingPoint
from embedge.typed import plain, structured

__all__ = [
    "METRICS",
    "Behind",
    "MethodFigures",
    "MethodsComparison",
    "Metric",
    "Rates",
    "Spread",
    "StudentRun",
]

Metric = Literal["cross-space", "student"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)  # the teacher's gallery; the student's own


@dataclass(frozen=True, slots=True)
class Rates:
    """`tar` by FMR as text; None is what the data could not carry."""

    tar: dict[str, float | None]
    eer: float | None
    genuine: int
    impostor: int
    people: int = 0

    @classmethod
    def of(cls, found: BareRates) -> "Rates":
        points = {f"{fmr:g}": point for fmr, point in found.points.items()}
        return cls(
            {k: p.tar if isinstance(p, OperatingPoint) else None for k, p in points.items()},
            found.eer,
            len(found.scores.genuine),
            found.scores.impostors,
            found.people,
        )


@dataclass(frozen=True, slots=True)
class StudentRun:
    """One student; a metric without rates is of spaces that cannot be compared."""

    seed: int
    rates: dict[str, Rates | None]
    train_s: float
    shared_head: dict[str, float] | None = None
    """of pictures without names: which share of them it names, and by whom"""

    def tar(self, metric: Metric, key: str) -> float | None:
        found = self.rates[metric]
        return None if found is None else found.tar[key]

    def to_json(self) -> dict[str, Any]:
        shared = {"shared_head": self.shared_head} if self.shared_head else {}
        return {"seed": self.seed, **plain(self.rates), **shared, "train_s": self.train_s}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "StudentRun":
        rates = {metric: value[metric] for metric in METRICS}
        rest = {name: found for name, found in value.items() if name not in METRICS}
        return structured(cls, {**rest, "rates": rates})


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation over the seeds, and the interval of the mean over people."""

    mean: float
    sd: float | None
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the best is ahead, on the same people; and in how many of the seeds."""

    difference: float
    low: float
    high: float
    seeds: int
    certain: bool


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """By metric and FMR; the best is behind nobody."""

    runs: tuple[StudentRun, ...]
    summary: dict[str, dict[str, Spread | None]]
    behind: dict[str, dict[str, Behind | None]]

    def worth(self, key: str) -> float:
        """What ranks it: the TAR across spaces."""
        spread = self.summary["cross-space"][key]
        return -1.0 if spread is None else spread.mean

    def to_json(self) -> dict[str, Any]:
        return {**plain(self), "runs": [one.to_json() for one in self.runs]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "MethodFigures":
        return cls(
            tuple(StudentRun.from_json(one) for one in value["runs"]),
            structured(dict[str, dict[str, Spread | None]], value["summary"], name="summary"),
            structured(dict[str, dict[str, Behind | None]], value["behind"], name="behind"),
        )


@dataclass(frozen=True, slots=True)
class MethodsComparison:
    """Every method with every seed, under one recipe."""

    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    teacher: Rates
    methods: dict[str, MethodFigures]

    def ranked(self, key: str) -> list[tuple[str, MethodFigures]]:
        """From the best."""
        return sorted(self.methods.items(), key=lambda item: item[1].worth(key), reverse=True)

    def to_json(self) -> dict[str, Any]:
        methods = {name: one.to_json() for name, one in self.methods.items()}
        return {**plain(self), "methods": methods}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "MethodsComparison":
        """Whatever else stands beside the figures is left alone."""
        return cls(
            value["recipe"],
            tuple(value["seeds"]),
            structured(Rates, value["teacher"], name="teacher"),
            {name: MethodFigures.from_json(one) for name, one in value["methods"].items()},
        )
