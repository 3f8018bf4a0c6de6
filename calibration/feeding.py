"""How a network wants to be fed, confirmed on faces: fed wrongly, it tells people apart worse."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import EqualError, equal_error
from embedge.calibration.scores import Float32
from embedge.runtime.contract import Colour, PerChannel
from embedge.runtime.encoders import unit_rows
from embedge.runtime.encoders.preprocessing import Preprocessing

__all__ = [
    "Seen",
    "better_feeding",
    "clearly_better",
    "has_pairs",
    "in_other_order",
    "seen_fed",
    "untold_from",
]

_TOLERATED = 0.02
_DIRECTIONLESS = 1e-6
_POOR = 0.10  # an equal error rate
_CERTAIN = 3.0  # standard errors, of which the other ways have several chances
_ENOUGH = 6  # people, for a standard error to mean anything
_FARTHER = 0.05  # of the gap: what a network learnt with another order of colours loses is more


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What faces say of one way: `gaps` has one number of every person with two pictures.

    It is by how much they resemble themselves more than strangers, in spreads of the strangers'
    scores: where no error is left to count, that still differs. Empty where a row has no direction.
    """

    rate: float
    gaps: NDArray[np.float64]

    @property
    def blind(self) -> bool:
        """People are not told apart more than by chance."""
        return self.rate > _POOR and not _above_zero(self.gaps, enough=2)


def seen_fed(
    features: Callable[[Preprocessing], Float32],
    ways: Mapping[str, Preprocessing],
    labels: NDArray[np.generic],
) -> dict[str, Seen]:
    """A way that gives rows without a direction has the worst rate."""
    return {name: _seen(features(way), labels) for name, way in ways.items()}


def better_feeding(chosen: str, rates: Mapping[str, float]) -> str | None:
    """Another way that is clearly better, if there is one."""
    best = min(rates, key=lambda name: rates[name])
    return best if rates[chosen] > rates[best] + _TOLERATED else None


def clearly_better(chosen: str, twin: str, seen: Mapping[str, Seen]) -> tuple[str, str] | None:
    """The way to prefer, and what is wrong with the chosen one; `twin` swaps its red and blue."""
    mine = seen[chosen]
    told = f"has an equal error rate of {mine.rate:.1%} on faces"
    best = better_feeding(chosen, {name: one.rate for name, one in seen.items()})
    if best is not None:
        return best, f"{told}, fed {best} of {seen[best].rate:.1%}"
    if _farther_apart(mine, seen[twin]):
        return twin, f"keeps {len(mine.gaps)} people less far apart than fed {twin}"
    return None


def in_other_order(way: Preprocessing) -> Preprocessing:
    """Red and blue change places, each with its own numbers."""

    def turned(value: PerChannel) -> PerChannel:
        return (value[2], value[1], value[0]) if isinstance(value, tuple) else value

    colour: Colour = "BGR" if way.colour == "RGB" else "RGB"
    return Preprocessing(colour, turned(way.mean), turned(way.std))


def _farther_apart(chosen: Seen, other: Seen) -> bool:
    """Whether the other way keeps the same people farther apart, certainly and not by a little."""
    if not len(chosen.gaps) or not len(other.gaps):
        return False
    more = other.gaps - chosen.gaps
    return _above_zero(more) and float(more.mean()) > _FARTHER * float(chosen.gaps.mean())


def untold_from(chosen: str, seen: Mapping[str, Seen]) -> list[str]:
    """The other ways that these people do not show to be worse."""
    mine = seen[chosen].gaps
    return [
        name
        for name, one in seen.items()
        if name != chosen and len(one.gaps) and not _above_zero(mine - one.gaps)
    ]


def has_pairs(labels: NDArray[np.generic]) -> bool:
    """Whether two people have two pictures or more, so that anything can be told."""
    return int((np.unique(labels, return_counts=True)[1] > 1).sum()) > 1


def _seen(rows: Float32, labels: NDArray[np.generic]) -> Seen:
    none = np.empty(0)
    if not np.isfinite(rows).all() or (np.linalg.norm(rows, axis=1) < _DIRECTIONLESS).any():
        return Seen(1.0, none)
    rows = unit_rows(rows)
    rate = equal_error(pairs_within(rows, labels))
    if not isinstance(rate, EqualError):
        return Seen(1.0, none)
    return Seen(rate.rate, _gaps(rows, labels))


def _gaps(rows: Float32, labels: NDArray[np.generic]) -> NDArray[np.float64]:
    scores, own = rows.astype(np.float64) @ rows.T, labels[:, None] == labels
    spread = max(float(scores[~own].std()), _DIRECTIONLESS)
    np.fill_diagonal(scores, np.nan)
    people, counts = np.unique(labels, return_counts=True)
    found = [
        np.nanmean(scores[np.ix_(labels == one, labels == one)])
        - scores[np.ix_(labels == one, labels != one)].mean()
        for one in people[counts > 1]
    ]
    return np.array(found) / spread


def _above_zero(gaps: NDArray[np.float64], enough: int = _ENOUGH) -> bool:
    """Of people to come, too."""
    if len(gaps) < enough:
        return False
    return float(gaps.mean()) > _CERTAIN * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
