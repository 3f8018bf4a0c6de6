"""What quantisation does to verification: TAR, threshold, decisions; cosine only beside them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, bare_rates, cosines_of, scores_of
from embedge.calibration.rates import Insufficient, OperatingPoint
from embedge.errors import EmbedgeError
from embedge.runtime.encoders import normalised

__all__ = ["Effect", "VerificationReference"]

Floats = NDArray[np.float32]

_FLOAT, _INT8 = Side("graph", "float"), Side("graph", "int8")


@dataclass(frozen=True, slots=True)
class Effect:
    """Against the float graph on the same labelled faces.

    `tar_loss` in points at `fmr`, each graph at its own threshold; `drift` of that threshold;
    `flips` among all decisions when the float graph's threshold is kept. `unrest` is how far scores
    move (root mean square, genuine and impostor comparisons each with half of the weight): the one
    figure here that a few hundred faces measure well, since every comparison adds to it.
    """

    fmr: float
    tar_loss: float
    drift: float
    flips: int
    comparisons: int
    unrest: float
    cosine: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class VerificationReference:
    """The float graph's embeddings of labelled faces, and its operating point."""

    def __init__(self, embeddings: Floats, labels: ArrayLike, fmr: float) -> None:
        self.float = Subject(_FLOAT, normalised(embeddings))
        self.labels = np.unique(np.asarray(labels), return_inverse=True)[1]
        point = self._point(self.float, fmr)
        if isinstance(point, Insufficient):
            raise EmbedgeError(
                "E-CALIBRATION",
                f"these faces cannot carry an FMR of {fmr:g}: {point}",
                remedy="Give more people, or a larger FMR",
            )
        self.point = point

    def _point(self, one: Subject, fmr: float) -> OperatingPoint | Insufficient:
        return bare_rates(scores_of(one, one, self.labels), [fmr]).points[fmr]

    def effect(self, embeddings: Floats) -> Effect:
        found = Subject(_INT8, normalised(embeddings))
        point = self._point(found, self.point.fmr_target)
        assert not isinstance(point, Insufficient)  # the same pairs carried it before
        upper = np.triu_indices(len(found.rows), 1)
        before, after = ((one.rows @ one.rows.T)[upper] for one in (self.float, found))
        flipped = (before > self.point.threshold) != (after > self.point.threshold)
        same = self.labels[upper[0]] == self.labels[upper[1]]
        moved = np.square(after - before, dtype=np.float64)
        return Effect(
            fmr=self.point.fmr_target,
            tar_loss=100 * (self.point.tar - point.tar),
            drift=point.threshold - self.point.threshold,
            flips=int(np.count_nonzero(flipped)),
            comparisons=before.size,
            unrest=float(np.sqrt((moved[same].mean() + moved[~same].mean()) / 2)),
            cosine=cosines_of(self.float.rows, found.rows).mean,
        )
