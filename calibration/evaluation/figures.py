"""The figures of a comparison: what every evaluation finds, and a report carries, unchanged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from embedge.typed import Bound

__all__ = [
    "ENOUGH",
    "Acquisition",
    "AtThreshold",
    "Comparison",
    "Cosines",
    "Count",
    "DetCurve",
    "Drift",
    "DriftPoint",
    "EqualErrorRate",
    "FloatLayer",
    "Histogram",
    "Key",
    "Line",
    "Loss",
    "Rate",
    "Share",
    "Side",
    "TarPoint",
    "ThresholdsOn",
    "promises_of",
]

ENOUGH = 30  # errors that a rate should rest on (the rule of 30)

Share = Annotated[float, Bound(0, 1)]
Difference = Annotated[float, Bound(-1, 1)]
Cosine = Annotated[float, Bound(-1.001, 1.001)]
Count = Annotated[int, Bound(0)]
# on whom a threshold was set that judges, by the pictures of both
ThresholdsOn = Literal["other people", "the same people", "not checked"]


@dataclass(frozen=True, slots=True, order=True)
class Side:
    """Who embedded one side of a comparison: a model, and the artifact of it that ran.

    `artifact` is None for a network that was not exported.
    """

    model: str
    artifact: str | None = None

    def __str__(self) -> str:
        return self.model if self.artifact is None else f"{self.model} {self.artifact}"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a comparison is of. Names are written from keys; nothing reads a name."""

    gallery: Side
    probe: Side

    def __str__(self) -> str:
        alone = self.gallery == self.probe
        return str(self.gallery) if alone else f"{self.gallery} / {self.probe}"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How many pictures could not be embedded (failure to acquire, ISO/IEC 19795-1).

    `failures` says why, for at most a hundred of them.
    """

    attempted: Count
    failed: Count
    failures: dict[str, str]
    comparisons_left_out: Count = 0

    @classmethod
    def of(cls, attempted: int, failures: dict[str, str], left_out: int = 0) -> "Acquisition":
        return cls(attempted, len(failures), dict(list(failures.items())[:100]), left_out)

    @property
    def rate(self) -> float:
        return self.failed / self.attempted if self.attempted else 0.0

    def generalised_fnmr(self, fnmr: float) -> float:
        """Failures count as rejections: to enrol, then to acquire, then to match."""
        return 1 - (1 - self.rate) ** 2 * (1 - fnmr)

    def generalised_fmr(self, fmr: float) -> float:
        """Whoever could not be embedded on either side matches nobody."""
        return (1 - self.rate) ** 2 * fmr


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with its two-sided interval."""

    rate: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True)
class EqualErrorRate:
    """Where FMR and FNMR are closest."""

    rate: Share
    low: Share
    high: Share
    threshold: float


@dataclass(frozen=True, slots=True)
class TarPoint:
    """TAR at the largest FMR not above `fmr`; or how many (`of` people) that needs, and has.

    `measured` is the FMR that its threshold has; it and the TAR rest on so many errors.
    """

    fmr: Share
    tar: Share | None = None
    low: Share | None = None
    high: Share | None = None
    threshold: float | None = None
    needs: Count | None = None
    measured: Rate | None = None
    false_matches: Count | None = None
    false_non_matches: Count | None = None
    have: Count | None = None
    of: str = "people"

    @property
    def few(self) -> bool:
        """Whether the errors behind it are fewer than the rule of 30 asks for."""
        errors = [one for one in (self.false_matches, self.false_non_matches) if one is not None]
        return bool(errors) and min(errors) < ENOUGH

    @property
    def lacks(self) -> str:
        """Why there is no TAR."""
        return f"insufficient data: FMR {self.fmr:g} {self.shortage}"

    @property
    def shortage(self) -> str:
        there_are = "" if self.have is None else f"; there are {self.have:,}"
        return f"needs {self.needs or 0:,} {self.of}{there_are}"

    def __post_init__(self) -> None:
        if (self.tar is None) == (self.needs is None):
            raise ValueError("a TAR point carries either `tar` or `needs`")


@dataclass(frozen=True, slots=True)
class DetCurve:
    """FMR and FNMR over thresholds; `low` and `high` bound the FNMR."""

    threshold: tuple[float, ...]
    fmr: tuple[Share, ...]
    fnmr: tuple[Share, ...]
    low: tuple[Share, ...]
    high: tuple[Share, ...]

    def __post_init__(self) -> None:
        series = (self.threshold, self.fmr, self.fnmr, self.low, self.high)
        if len(set(map(len, series))) > 1:
            raise ValueError("the series of the DET curve differ in length")

    @property
    def drawable(self) -> bool:
        """Whether both axes, which are logarithmic, have anything of it."""
        return any(fmr > 0 and fnmr > 0 for fmr, fnmr in zip(self.fmr, self.fnmr))


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of cosines between `edges`, which is one longer than the counts."""

    edges: tuple[float, ...]
    genuine: tuple[Count, ...]
    impostor: tuple[Count, ...]

    def __post_init__(self) -> None:
        if not len(self.edges) - 1 == len(self.genuine) == len(self.impostor):
            raise ValueError("the edges must be one longer than the counts")


@dataclass(frozen=True, slots=True)
class Cosines:
    """Cosines between two embeddings of the same pictures, `n` of them."""

    mean: Cosine
    p1: Cosine
    min: Cosine
    n: Count


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Error rates at a threshold that was fixed on other people, for an FMR `promised`.

    `fmr_doubled` is what the FMR would be if the most matching 1 % of people counted double: how
    many such people a door meets is nothing that a sample of others can know.
    """

    threshold: float
    fmr: Rate
    fnmr: Rate
    fmr_doubled: Share | None = None
    promised: Share | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold, and in words where it comes from."""

    value: float
    words: str


@dataclass(frozen=True, slots=True)
class Loss:
    """TAR that is lost against `reference`, each at the threshold that `fmr` asks for.

    The interval is of the difference on the same people: what is hard for both cancels out.
    """

    reference: Key
    fmr: Share
    difference: Difference
    low: Difference
    high: Difference


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """Decisions that change when the reference's threshold is kept but its model is replaced."""

    fmr: Share
    reference_threshold: float
    threshold: float
    comparisons: Count
    genuine_lost: Count
    genuine_won: Count
    impostor_lost: Count
    impostor_won: Count

    @property
    def drift(self) -> float:
        return self.threshold - self.reference_threshold

    @property
    def flips(self) -> int:
        return self.genuine_lost + self.genuine_won + self.impostor_lost + self.impostor_won


@dataclass(frozen=True, slots=True)
class Drift:
    reference: Key
    points: tuple[DriftPoint, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything measured when the embeddings of one side are compared with those of the other."""

    gallery: Side
    probe: Side
    images: Count
    subjects: Count
    genuine: Count
    impostor: Count
    confidence: Share
    eer: EqualErrorRate | None
    tar: tuple[TarPoint, ...]
    histogram: Histogram
    det: DetCurve | None = None
    same_image: Cosines | None = None
    at_threshold: AtThreshold | None = None
    drift: Drift | None = None
    loss: Loss | None = None

    @property
    def key(self) -> Key:
        return Key(self.gallery, self.probe)

    @property
    def name(self) -> str:
        return str(self.key)

    @property
    def line(self) -> Line | None:
        """The threshold of its own, or that of the lowest FMR that these people carry."""
        if self.at_threshold is not None:
            return Line(self.at_threshold.threshold, "the threshold that was set beforehand")
        carried = [one for one in self.tar if one.threshold is not None]
        if not carried:
            return None
        strictest = min(carried, key=lambda one: one.fmr)
        return Line(strictest.threshold or 0.0, f"FMR {100 * strictest.fmr:.6g} % of these people")

    def tar_at(self, fmr: float) -> TarPoint | None:
        """The point of that very target, if it was asked for."""
        return next((point for point in self.tar if abs(point.fmr - fmr) <= 1e-6 * fmr), None)


def promises_of(comparisons: Iterable[Comparison]) -> dict[Key, float]:
    """The FMR of those judged over the FMR promised, wherever one was: the lower end of it."""
    told = {one.key: one.at_threshold for one in comparisons}
    return {key: at.fmr.low / at.promised for key, at in told.items() if at and at.promised}


@dataclass(frozen=True, slots=True)
class FloatLayer:
    """A layer of an INT8 graph that computes in float, its share of the work, and why."""

    node: str
    macs_share: Share
    why: str
