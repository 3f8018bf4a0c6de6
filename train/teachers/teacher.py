"""What every teacher answers to."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.picture.images import RgbImage
from embedge.train.data.dataset import FaceDataset
from embedge.train.embed import BATCH, rows_of
from embedge.train.models.cost import NetworkCost

__all__ = ["Placement", "Rows", "Teacher"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a teacher is asked."""

    device: str = "cpu"
    amp: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch: int = BATCH


class Teacher(ABC):
    """`head` has one unit row per class; `identities` names them, and is empty if nobody did."""

    kind: str
    digest: str
    dim: int
    head: Tensor | None = None
    identities: tuple[str, ...] = ()
    batch = BATCH
    """pictures that it is asked about at a time"""
    device = "cpu"
    """where it is asked"""

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

    def placed(self, where: "Placement") -> Self:
        """Itself, asked there from now on; a file that only runs here says so."""
        if where.device != "cpu":
            raise EmbedgeError(
                "E-NO-GPU",
                f"a teacher of this kind ({self.kind}) runs on the CPU",
                remedy="Set teacher.device to cpu",
            )
        self.batch = where.batch
        return self

    def embed(self, faces: FaceDataset, *, what: str, progress: Progress) -> Rows:
        """Embeddings of a whole face set."""
        return rows_of(faces, self.features, what=what, progress=progress, size=self.batch)
