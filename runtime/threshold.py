"""A decision threshold and the evidence it rests on."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

from embedge.typed import Bound, Text, argument

__all__ = ["DECIDES", "MEASURED_ON", "Share", "Threshold"]

# At -1 everybody matches; the cosine of two equal rows in single precision may be above 1.
DECIDES = Bound(-1.0, 1 + 1e-5, above=True)

Share = Annotated[float, Bound(0, 1, above=True)]
_LEAST = 0.5  # of confidence: a bound is as likely as not to hold
Count = Annotated[int, Bound(0, 10**15)]


MEASURED_ON = "it holds for pictures like those, in other light more strangers may pass"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Accept when the cosine is strictly above `value`.

    `fmr_upper` is the upper confidence bound (level `confidence`) of the false match rate, per
    comparison, that `value` had on `impostors` pairs of `subjects` subjects of the data `dataset`.
    """

    value: Annotated[float, DECIDES]
    fmr_target: Share
    fmr: Annotated[float, Bound(0, 1)]
    fmr_upper: Share
    confidence: Share
    impostors: Count
    subjects: Count
    dataset: Text
    model: Text

    def __post_init__(self) -> None:
        """What cannot be is refused wherever a threshold is read: nobody has to have made it up."""
        if not self.proven:
            return
        if not _LEAST <= self.confidence < 1:
            raise ValueError(f"a confidence of {self.confidence:g} is none: from 0.5 to below 1")
        if self.fmr > self.fmr_upper:
            raise ValueError(f"measured {self.fmr:g} is above its upper bound {self.fmr_upper:g}")
        pairs = min(self.impostors, self.subjects * (self.subjects - 1) // 2)
        if (1 - self.fmr_upper) ** pairs > (1 - self.confidence) * (1 + 1e-6):
            raise ValueError(
                f"{self.subjects:,} people and {self.impostors:,} pairs cannot show a rate of at"
                f" most {self.fmr_upper:g}"
            )

    @classmethod
    def by_hand(cls, value: float) -> Self:
        """Somebody's own number: nothing is proven of it, so its error rate is bounded by one."""
        number = argument(
            float, value, "the threshold (--threshold)", "a finite number", code="E-THRESHOLD"
        )
        return cls(number, 1.0, 1.0, 1.0, 1.0, 0, 0, "none: a number given by hand", "any")

    @property
    def proven(self) -> bool:
        return self.impostors > 0

    def evidence(self) -> str:
        """In words: what it was calibrated to, and on how much."""
        if not self.proven:
            return "your own number: no evidence, its false match rate is unknown"
        return (
            f"false match rate at most {self.fmr_upper:.2g} with {self.confidence:.0%} confidence"
            f" (target {self.fmr_target:.2g}, measured {self.fmr:.2g}), on {self.impostors:,}"
            f" impostor pairs of {self.subjects:,} people: {self.dataset}; {MEASURED_ON}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
