"""What every teacher answers to."""

from abc import ABC, abstractmethod
from collections.abc import Callable
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

_NAMED = 5  # pictures in an error message


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
        rows = rows_of(faces, self.features, what=what, progress=progress, size=self.batch)
        self.require_directions(rows, faces.record_name)
        return rows

    def require_directions(
        self, rows: Rows, named: Callable[[int], str], *, zeros: bool = False
    ) -> NDArray[np.float64]:
        """The rows' lengths; refused where one is no number or zero, its picture named. With
        `zeros`, such a row says that this is no face."""
        lengths: NDArray[np.float64] = np.linalg.norm(rows.astype(np.float64), axis=1)
        bad = np.flatnonzero(~(np.isfinite(lengths) & ((lengths > 0) | zeros)))
        if len(bad):
            what = "zeros alone" if lengths[bad[0]] == 0 else "NaN or infinity"
            where = "; ".join(named(int(one)) for one in bad[:_NAMED])
            raise self.meaningless(f"{what} to {len(bad)} of {len(rows)} pictures", where)
        return lengths

    def meaningless(self, what: str, where: str) -> EmbedgeError:
        return EmbedgeError(
            "E-TEACHER-ANSWER",
            f"the teacher ({self.kind}, {self.digest[:12]}) answers {what} that were looked at",
            where=where,
            remedy="Check `teacher.file` and `teacher.preprocessing`, or set teacher.amp to fp32; a"
            " picture that is no face is best taken out",
        )
