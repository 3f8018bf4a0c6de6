"""A decision threshold and the evidence it rests on."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from embedge.typed import Bound, Text

__all__ = ["DECIDES", "Threshold"]

# At -1 everybody matches; the cosine of two equal rows in single precision may be above 1.
DECIDES = Bound(-1.0, 1 + 1e-5, above=True)

Share = Annotated[float, Bound(0, 1, above=True)]
Count = Annotated[int, Bound(0, 10**15)]


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
