"""A decision threshold and the evidence it rests on."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.numbers import number, only, text, whole

__all__ = ["Threshold", "decidable"]

_MOST = 10**15
_ROUNDING = 1e-5  # the cosine of two equal rows in single precision may be a little above 1


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
    def from_json(cls, value: object) -> Self:
        """A ValueError names the field that cannot be."""
        stated = only(value, "a threshold", frozenset(field.name for field in fields(cls)))
        return cls(
            value=_cosine(stated["value"]),
            fmr_target=number(stated["fmr_target"], "fmr_target", 0, 1, above=True),
            fmr=number(stated["fmr"], "fmr", 0, 1),
            fmr_upper=number(stated["fmr_upper"], "fmr_upper", 0, 1, above=True),
            confidence=number(stated["confidence"], "confidence", 0, 1, above=True),
            impostors=whole(stated["impostors"], "impostors", 0, _MOST),
            subjects=whole(stated["subjects"], "subjects", 0, _MOST),
            dataset=text(stated["dataset"], "dataset"),
            model=text(stated["model"], "model"),
        )


def decidable(threshold: Threshold) -> Threshold:
    """The threshold, or an error where it would decide nothing: below -1 everybody matches."""
    try:
        if not isinstance(threshold, Threshold):
            raise ValueError("a bare number is no threshold: it says nothing of its error rates")
        _cosine(threshold.value)
    except ValueError as error:
        raise EmbedgeError(
            "E-THRESHOLD",
            str(error),
            remedy="Pass a threshold that was measured: a cosine, from -1 to 1",
        ) from error
    return threshold


def _cosine(value: object) -> float:
    """A threshold's value: below -1 it would match everybody, and NaN nobody by accident."""
    return number(value, "a threshold's value", -1, 1 + _ROUNDING)
