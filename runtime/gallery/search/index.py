"""The gallery in memory: who owns which template, and the search over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.runtime.encoders import Embeddings, lengths_of
from embedge.runtime.gallery.enrolment import folded
from embedge.runtime.gallery.search.faiss_scan import FaissScan
from embedge.runtime.gallery.search.int8 import Matrix, float_from_int8, int8_from_float
from embedge.runtime.gallery.search.ranking import Ranked, best_people
from embedge.runtime.gallery.search.scan import Int8Scan

__all__ = ["SEARCHES", "TemplateIndex", "require_search"]

SEARCHES: dict[str, type[Int8Scan] | type[FaissScan]] = {
    "onnxruntime": Int8Scan,
    "faiss": FaissScan,
}

_QUERIES = 16  # scored together: an int32 a row and query in memory


def require_search(name: str) -> None:
    """Refuse a search that there is not, or not here, before a gallery is touched."""
    if name not in SEARCHES:
        raise EmbedgeError(
            "E-SEARCH", f"there is no search '{name}'", remedy=f"Choose {' or '.join(SEARCHES)}"
        )
    if name == "faiss":
        require("faiss", extra="faiss")


@dataclass(slots=True)
class TemplateIndex:
    """Exact search. Rows of float32 are kept and have the last word; the scan in one byte a
    dimension only excludes what provably cannot win. Rows of int8 are what the scan scans.
    """

    dim: int
    rows: str
    threads: int = 1
    search_with: str = "onnxruntime"
    names: list[str] = field(default_factory=list)
    _rows: int = 0
    _number: dict[str, int] = field(default_factory=dict)
    _spelled: dict[str, str] = field(default_factory=dict)  # of folded names, where they differ
    _person_of: list[NDArray[np.int32]] = field(default_factory=list)
    _float: list[Embeddings] = field(default_factory=list)
    _most: int = 0  # templates of one person
    _rounding: float | None = None  # the most that codes miss float32 rows by
    _scan: Int8Scan | FaissScan = field(init=False)

    def __post_init__(self) -> None:
        self._scan = SEARCHES[self.search_with](self.dim, self.threads)

    def __len__(self) -> int:
        return self._rows

    def know(self, people: Sequence[str]) -> None:
        """They are numbered, whether or not a template of theirs follows."""
        for name in people:
            self._person(name)

    def add(self, people: Sequence[str], matrix: Matrix, _bridged: Sequence[int] = ()) -> None:
        """Row i of `matrix` is a template of `people[i]`."""
        self._person_of.append(np.array([self._person(name) for name in people], np.int32))
        self._rows += len(people)
        if self.rows == "int8":
            self._scan.append(np.asarray(matrix, np.int8))
            return
        exact = np.asarray(matrix, np.float32)
        codes = int8_from_float(exact)
        missed = lengths_of(exact - float_from_int8(codes)).max(initial=0)
        self._rounding = max(self._rounding or 0.0, float(missed))
        self._float.append(exact)
        self._scan.append(codes)

    def number(self, name: str) -> int | None:
        """People are numbered in the order in which they came, however they were spelled."""
        plain = folded(name)
        return self._number.get(self._spelled.get(plain, plain))

    def search(self, queries: Embeddings, count: int, _handicap: float = 0) -> list[list[Ranked]]:
        """For each query the `count` best people, best first."""
        if not len(self) or count < 1:
            return [[] for _ in queries]
        self._join()
        # no person has more than `_most` rows, so the best people are among the first this many
        wanted = (count - 1) * self._most + 1
        found: list[list[Ranked]] = []
        for start in range(0, len(queries), _QUERIES):
            part = queries[start : start + _QUERIES]
            best = self._scan.best_rows(part, wanted, self._rounding)
            found += [self._ranked(query, *each, count) for query, each in zip(part, best)]
        return found

    def _ranked(
        self, query: Embeddings, rows: NDArray[np.intp], cosines: list[float], count: int
    ) -> list[Ranked]:
        if self._float:
            # not a matrix product: its sums depend on a row's place, and ties must stay ties
            cosines = np.einsum("ij,j->i", self._float[0][rows], query).tolist()
        return best_people((rows, cosines), self.names, self._person_of[0], count)

    def _person(self, name: str) -> int:
        if name not in self._number:
            self._number[name] = len(self.names)
            self.names.append(name)
            if (plain := folded(name)) != name:
                self._spelled[plain] = name
        return self._number[name]

    def _join(self) -> None:
        """Blocks come one by one; they are joined once somebody searches."""
        if len(self._person_of) > 1:
            self._person_of = [np.concatenate(self._person_of)]
            self._most = 0
        if not self._most:
            self._most = int(np.bincount(self._person_of[0]).max())
        if len(self._float) > 1:
            self._float = [np.concatenate(self._float)]

    def close(self) -> None:
        self._scan.close()
