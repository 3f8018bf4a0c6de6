"""What every source of faces answers to."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIDE", "CorruptRecord", "FaceDataset", "Labels", "Pictures"]

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

SIDE = 112  # pixels of an aligned face


class CorruptRecord(Exception):
    """One record that cannot be read: which, and why. Reading others may well go on."""

    def __init__(self, index: int, name: str, reason: str) -> None:
        self.index, self.name, self.reason = index, name, reason
        super().__init__(index, name, reason)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class FaceDataset(ABC):
    """Aligned faces with labels 0 … classes−1, read one at a time and in any order.

    `identities` names what each label stands for; `fingerprint` identifies the pictures.
    Sources can be handed to other processes: they open their files again there.
    """

    kind: ClassVar[str]
    name: str
    labels: Labels
    identities: tuple[str, ...]
    fingerprint: str

    @abstractmethod
    def read(self, index: int) -> Pictures:
        """Picture (112, 112, 3) uint8 RGB. Raises CorruptRecord."""

    @abstractmethod
    def record_name(self, index: int) -> str:
        """What a person would look for: a path, a key, an offset."""

    def encoded(self, index: int) -> bytes | None:
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
