"""A decision threshold and the evidence it rests on."""

from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Threshold"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Accept when the cosine is strictly above `value`.

    `fmr_upper` is the upper confidence bound (level `confidence`) of the false match rate, per
    comparison, that `value` had on `impostors` pairs of `subjects` subjects of the data `dataset`.
    """

    value: float
    fmr_target: float
    fmr: float
    fmr_upper: float
    confidence: float
    impostors: int
    subjects: int
    dataset: str
    model: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)
