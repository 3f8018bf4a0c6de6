"""The gallery in memory while some of its templates are bridged: each kind is searched for itself.

A bridged template's cosines are others than a native one's, and so is its threshold: whoever is
best is so by how far above the own threshold they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.search.index import TemplateIndex
from embedge.runtime.gallery.search.int8 import Matrix
from embedge.runtime.gallery.search.ranking import Ranked

__all__ = ["TwoKinds"]


@dataclass(slots=True, eq=False)
class TwoKinds:
    """As a `TemplateIndex`; rows are numbered as they came, of whichever kind."""

    dim: int
    rows: str
    threads: int = 1
    search_with: str = "onnxruntime"
    _kinds: tuple[TemplateIndex, TemplateIndex] = field(init=False)
    _row_of: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = field(
        default_factory=lambda: ([], [])
    )

    def __post_init__(self) -> None:
        how = self.dim, self.rows, self.threads, self.search_with
        self._kinds = TemplateIndex(*how), TemplateIndex(*how)

    def __len__(self) -> int:
        return sum(map(len, self._kinds))

    @property
    def names(self) -> list[str]:
        return self._kinds[0].names

    def number(self, name: str) -> int | None:
        return self._kinds[0].number(name)

    def know(self, people: Sequence[str]) -> None:
        self._kinds[0].know(people)

    def add(self, people: Sequence[str], matrix: Matrix, bridged: Sequence[int] = ()) -> None:
        """Row i of `matrix` is a template of `people[i]`; some of them are bridged ones."""
        marked = np.zeros(len(people), bool)
        marked[list(bridged)] = True
        first = len(self)
        for kind, places in enumerate((np.flatnonzero(~marked), np.flatnonzero(marked))):
            if len(places):
                self._kinds[kind].add([people[place] for place in places.tolist()], matrix[places])
                self._row_of[kind].append(first + places)

    def search(self, queries: Embeddings, count: int, handicap: float = 0.0) -> list[list[Ranked]]:
        """The best by cosine; a bridged one counts for `handicap` less than it has."""
        native, bridged = (self._searched(kind, queries, count) for kind in (0, 1))
        return [
            _merged([*one, *other], count, handicap)
            for one, other in zip(native, bridged, strict=True)
        ]

    def _searched(self, kind: int, queries: Embeddings, count: int) -> list[list[Ranked]]:
        rows = np.concatenate([np.empty(0, np.int64), *self._row_of[kind]])
        self._row_of[kind][:] = [rows]
        return [
            [replace(each, row=int(rows[each.row]), bridged=kind == 1) for each in ranked]
            for ranked in self._kinds[kind].search(queries, count)
        ]

    def close(self) -> None:
        for kind in self._kinds:
            kind.close()


def _merged(found: list[Ranked], count: int, handicap: float) -> list[Ranked]:
    """Everybody once, by their better kind."""
    found.sort(key=lambda each: (handicap * each.bridged - each.cosine, each.person, each.row))
    best: dict[str, Ranked] = {}
    for each in found:
        best.setdefault(each.person, each)
    return list(best.values())[:count]
