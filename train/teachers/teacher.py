"""What every teacher answers to."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from embedge.progress import Progress
from embedge.runtime.picture.images import RgbImage
from embedge.train.data.dataset import FaceDataset
from embedge.train.embed import rows_of
from embedge.train.models.cost import NetworkCost

__all__ = ["Rows", "Teacher"]

Rows = NDArray[np.float32]


class Teacher(ABC):
    """`head` has one unit row per class; `identities` names them, and is empty if nobody did."""

    kind: str
    digest: str
    dim: int
    head: Tensor | None = None
    identities: tuple[str, ...] = ()

    @property
    def space(self) -> str:
        """The id of the embedding space that this teacher spans."""
        return f"sha256:{self.digest[:32]}"

    @abstractmethod
    def features(self, images: RgbImage) -> Rows:
        """Un-normalised embeddings (N, dim) of aligned uint8 RGB pictures."""

    @abstractmethod
    def cost(self) -> NetworkCost:
        """What its network costs; where it is mapped, without the map."""

    def embed(self, faces: FaceDataset, *, what: str, progress: Progress) -> Rows:
        """Embeddings of a whole face set."""
        return rows_of(faces, self.features, what=what, progress=progress)
