"""Several sources of faces as one: a data set, and more faces to learn from beside it."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from embedge.files import sha256_json
from embedge.train.data.dataset import FaceDataset, Labels, Pictures, renumbered
from embedge.train.data.feeding.pictures import StoredFaces

__all__ = ["JoinedFaces"]


class JoinedFaces(StoredFaces):
    """One after another; whoever is in two of them is two people, named by where they are from."""

    kind: ClassVar[str] = "joined"

    def __init__(self, parts: Sequence[FaceDataset]) -> None:
        self.parts = tuple(parts)
        first, *others = self.parts
        self.name = " + ".join(part.name for part in self.parts)
        self.identities = (
            *first.identities,
            *(f"{part.name}/{who}" for part in others for who in part.identities),
        )
        people = np.cumsum([0, *(part.classes for part in self.parts)])
        self.labels = np.concatenate(
            [part.labels + begin for part, begin in zip(self.parts, people)]
        )
        self.fingerprint = sha256_json([part.fingerprint for part in self.parts])
        self._begins = np.cumsum([0, *(len(part) for part in self.parts)])

    def read(self, index: int) -> Pictures:
        part, row = self._place(index)
        with renumbered(index):
            return part.read(row)

    def encoded(self, index: int) -> bytes | None:
        part, row = self._place(index)
        with renumbered(index):
            return part.encoded(row)

    def sizes(self) -> Labels:
        return np.concatenate([part.sizes() for part in self.parts])

    def record_name(self, index: int) -> str:
        part, row = self._place(index)
        return f"{part.name}: {part.record_name(row)}"

    def _place(self, index: int) -> tuple[FaceDataset, int]:
        which = int(np.searchsorted(self._begins, index, side="right")) - 1
        return self.parts[which], index - int(self._begins[which])
