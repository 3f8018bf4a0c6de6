"""From scores of templates to the best people, with ties in one fixed order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranked", "Scored", "best_people", "contenders"]

Scored = tuple[NDArray[np.intp], list[float]]  # rows and their cosines


@dataclass(frozen=True, slots=True)
class Ranked:
    """A person, the cosine of their best template, that template's row, and its kind."""

    person: str
    cosine: float
    row: int
    bridged: bool = False

    def rounded_in(self) -> "Ranked":
        """What rounding has put beyond one is one."""
        if abs(self.cosine) <= 1:
            return self
        return replace(self, cosine=math.copysign(1.0, self.cosine))


def contenders(scores: NDArray[np.int32], step: float, wanted: int, slack: float) -> Scored:
    """The rows whose score, times `step`, is at most `slack` under the `wanted`-th best."""
    if wanted >= len(scores):
        rows = np.arange(len(scores))
    else:
        if wanted == 1:
            least = scores[scores.argmax()]  # the common case, and it copies nothing
        else:
            least = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        (rows,) = (scores >= int(least) - math.ceil(slack / step)).nonzero()
    return rows, [score * step for score in scores[rows].tolist()]


def best_people(
    scored: Scored, names: Sequence[str], person_of: NDArray[np.int32], count: int
) -> list[Ranked]:
    """The `count` best people by their best template; equal cosines in the order of names."""
    rows, cosines = scored
    found = [
        (-cosine, names[person], row)
        for cosine, person, row in zip(cosines, person_of[rows].tolist(), rows.tolist())
    ]
    found.sort()  # strongest first, then by name, then oldest template: the same on every run
    best: dict[str, Ranked] = {}
    for cosine, person, row in found:
        if person not in best:
            if len(best) == count:
                break
            best[person] = Ranked(person, -cosine, row)
    return list(best.values())
