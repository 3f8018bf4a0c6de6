"""What every source of faces answers to."""

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import CorruptRecord, Faces

__all__ = ["SIDE", "CorruptRecord", "FaceDataset", "Labels", "Pictures", "UnalignedRecord"]

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

SIDE = 112  # pixels of an aligned face


class UnalignedRecord(CorruptRecord):
    """A whole picture, but no aligned face: a data set of photos has nothing else."""


class FaceDataset(Faces, ABC):
    """Faces of 112 pixels a side with labels 0 … classes−1.

    `identities` names what each label stands for; `fingerprint` identifies the pictures.
    Sources can be handed to other processes: they open their files again there.
    """

    kind: ClassVar[str]
    name: str
    labels: Labels
    identities: tuple[str, ...]
    fingerprint: str

    def encoded(self, _index: int) -> bytes | None:
        """The record's picture as it is stored, or None if it is stored as plain pixels."""
        return None

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Every index once, shuffled in the way that suits the storage."""
        return rng.permutation(len(self))

    if TYPE_CHECKING:  # a field of some sources, a property of others: see pictures.py

        @property
        def images(self) -> Any:
            """All pictures, indexed like an array (n, 112, 112, 3)."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return len(self.identities)
