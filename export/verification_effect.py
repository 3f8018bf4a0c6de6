"""What quantisation does to verification: TAR, threshold, decisions; cosine only beside them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient, operating_point
from embedge.errors import EmbedgeError
from embedge.export.parity import compare_embeddings
from embedge.runtime.encoders import normalised

__all__ = ["Effect", "VerificationReference"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Effect:
    """Against the float graph on the same labelled faces.

    `tar_loss` in points at `fmr`, each graph at its own threshold; `drift` of that threshold;
    `flips` among all decisions when the float graph's threshold is kept.
    """

    fmr: float
    tar_loss: float
    drift: float
    flips: int
    comparisons: int
    cosine: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def badness(self) -> tuple[float, int, float]:
        """What to order effects by: TAR first, decisions where TAR is equal, cosine last."""
        return self.tar_loss, self.flips, 1 - self.cosine


class VerificationReference:
    """The float graph's embeddings of labelled faces, and its operating point."""

    def __init__(self, embeddings: Floats, labels: ArrayLike, fmr: float) -> None:
        self.embeddings = normalised(embeddings)
        self.labels = np.unique(np.asarray(labels), return_inverse=True)[1]
        point = operating_point(pairs_within(self.embeddings, self.labels), fmr)
        if isinstance(point, Insufficient):
            raise EmbedgeError(
                "E-CALIBRATION",
                f"these faces cannot carry an FMR of {fmr:g}: {point}",
                remedy="Give more people, or a larger FMR",
            )
        self.point = point

    def effect(self, embeddings: Floats) -> Effect:
        found = normalised(embeddings)
        point = operating_point(pairs_within(found, self.labels), self.point.fmr_target)
        assert not isinstance(point, Insufficient)  # the same pairs carried it before
        upper = np.triu_indices(len(found), 1)
        before = (self.embeddings @ self.embeddings.T)[upper] > self.point.threshold
        after = (found @ found.T)[upper] > self.point.threshold
        return Effect(
            fmr=self.point.fmr_target,
            tar_loss=100 * (self.point.tar - point.tar),
            drift=point.threshold - self.point.threshold,
            flips=int(np.count_nonzero(before != after)),
            comparisons=before.size,
            cosine=compare_embeddings(self.embeddings, found).mean,
        )
