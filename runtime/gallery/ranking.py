"""From scores of templates to the best people, with ties in one fixed order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings

__all__ = ["Ranked", "best_people"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A person, the cosine of their best template, and that template's row."""

    person: str
    cosine: float
    row: int


def best_people(
    scores: Embeddings,
    names: Sequence[str],
    person_of: NDArray[np.int32],
    count: int,
    most_templates: int,
    *,
    margin: float = 0.0,
    exact: Callable[[NDArray[np.intp]], Embeddings] | None = None,
) -> list[Ranked]:
    """The `count` best people by their best template; equal cosines in the order of names.

    Scores may be off by `margin`; then every row that could still belong to the best is scored
    again by `exact`. No person has more than `most_templates` rows, so the best `count` people
    are among the first (count − 1)·most_templates + 1 rows.
    """
    rows = _contenders(scores, (count - 1) * most_templates + 1, margin)
    cosines = scores[rows] if exact is None else exact(rows)
    # strongest first, then by name, then oldest template: the same answer on every run
    found = [
        Ranked(names[int(person_of[row])], float(cosine), int(row))
        for row, cosine in zip(rows, cosines)
    ]
    best: dict[str, Ranked] = {}
    for each in sorted(found, key=lambda each: (-each.cosine, each.person, each.row)):
        best.setdefault(each.person, each)
    return list(best.values())[:count]


def _contenders(scores: Embeddings, wanted: int, margin: float) -> NDArray[np.intp]:
    if wanted >= len(scores):
        return np.arange(len(scores))
    if wanted == 1:
        least = scores.max()  # the common case, and it copies nothing
    else:
        least = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
    return np.flatnonzero(scores >= least - np.float32(2 * margin))
