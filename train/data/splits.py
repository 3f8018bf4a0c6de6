"""Splits by identity: nobody who is learnt from is also judged on."""

import hashlib
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.train.data.dataset import FaceDataset, Labels, Pictures, renumbered
from embedge.train.data.feeding.pictures import StoredFaces

__all__ = ["Regrouped", "Subset", "split_by_identity"]


class Subset(StoredFaces):
    """Some identities of a data set, labelled 0 … anew; `kept` are their labels in the whole."""

    kind: ClassVar[str] = "subset"

    def __init__(self, whole: FaceDataset, rows: NDArray[np.int64], name: str) -> None:
        """Keep the records at these ascending rows, and the identities that they show."""
        self.whole = whole
        self.name = f"{whole.name}/{name}"
        self.rows = rows
        self.kept = np.unique(whole.labels[rows])
        self.labels = np.searchsorted(self.kept, whole.labels[rows])
        self.identities = tuple(whole.identities[label] for label in self.kept)
        digest = hashlib.sha256(np.ascontiguousarray(rows, "<i8").tobytes()).hexdigest()
        self.fingerprint = sha256_json({"of": whole.fingerprint, "rows": digest})

    @classmethod
    def of_labels(cls, whole: FaceDataset, labels: NDArray[np.int64], name: str) -> "Subset":
        return cls(whole, np.flatnonzero(np.isin(whole.labels, labels)), name)

    def first_of_each(self, count: int) -> "Subset":
        """At most the first `count` pictures of every person."""
        order = np.argsort(self.labels, kind="stable")
        sizes = np.bincount(self.labels, minlength=self.classes)
        place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = np.sort(order[place < count])
        name = self.name.removeprefix(f"{self.whole.name}/")
        return Subset(self.whole, self.rows[rows], f"{name}/{count}")

    def read(self, index: int) -> Pictures:
        with renumbered(index):
            return self.whole.read(int(self.rows[index]))

    def encoded(self, index: int) -> bytes | None:
        with renumbered(index):
            return self.whole.encoded(int(self.rows[index]))

    def sizes(self) -> Labels:
        return self.whole.sizes()[self.rows]

    def record_name(self, index: int) -> str:
        return self.whole.record_name(int(self.rows[index]))

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """As the whole would be visited, without the others."""
        place = np.full(len(self.whole), -1, np.int64)
        place[self.rows] = np.arange(len(self.rows))
        visited = place[self.whole.order(rng)]
        return visited[visited >= 0]


class Regrouped(Subset):
    """Some records of a data set, in classes that follow from no name."""

    kind: ClassVar[str] = "regrouped"

    def __init__(
        self, whole: FaceDataset, rows: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> None:
        super().__init__(whole, rows, "without names")
        self.labels = labels
        self.identities = tuple(f"class {n}" for n in range(int(labels.max()) + 1))
        digest = hashlib.sha256(np.ascontiguousarray(labels, "<i8").tobytes()).hexdigest()
        self.fingerprint = sha256_json({"of": self.fingerprint, "labels": digest})


def split_by_identity(
    faces: FaceDataset, held_out: float | int, seed: int = 0
) -> tuple[Subset, Subset]:
    """(to learn from, to be judged on): a share below 1, or a number of identities.

    Who is held out follows from the identity's name and the seed alone, so that a data set that
    grows by new people never moves one who was held out into training, when a share is given.
    """
    draws = np.array([_draw(identity, seed) for identity in faces.identities])
    out = draws < held_out if isinstance(held_out, float) else _lowest(draws, held_out)
    if not 0 < out.sum() < faces.classes:
        raise EmbedgeError(
            "E-DATA-SPLIT",
            f"holding out {held_out} of {faces.classes} identities leaves one side empty",
            where=faces.name,
            remedy=f"Bring more people, or set data.held_out to fewer than {faces.classes};"
            " --held-out of `embedge data convert` takes a share below 1, too",
        )
    labels = np.arange(faces.classes)
    return (
        Subset.of_labels(faces, labels[~out], "learn"),
        Subset.of_labels(faces, labels[out], "held-out"),
    )


def _draw(identity: str, seed: int) -> float:
    """A number in [0, 1) that belongs to this name."""
    digest = hashlib.sha256(f"{seed}/{identity}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2.0**64


def _lowest(draws: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    chosen = np.zeros(len(draws), bool)
    chosen[np.argsort(draws, kind="stable")[:count]] = True
    return chosen
