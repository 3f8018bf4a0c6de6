"""Watching a student while it learns: error rates on people it does not learn from.

These are the people that thresholds are set on, never those that a report judges with: the best
checkpoint may be chosen by them. Verification sets beside them are only looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import EqualError, equal_error
from embedge.calibration.scores import PairScores
from embedge.progress import Progress
from embedge.train.data.vocabulary import FaceDataset
from embedge.train.embed import embed_faces
from embedge.train.head.recovery.centres import unit
from embedge.train.loop.verification import VerificationSet

__all__ = ["Watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """`teacher` embeds the same pictures in the student's space, where there is such a teacher."""

    faces: FaceDataset
    teacher: NDArray[np.float32] | None
    every: int
    patience: int = 0
    """evaluations without improvement after which the training stops; 0 never stops it"""
    sets: tuple[VerificationSet, ...] = ()

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Equal error rates; the first one is what the best checkpoint is chosen by."""
        silent = Progress(quiet=True)
        mine = unit(embed_faces(network, self.faces, what="watching", progress=silent))
        more = {name: value for one in self.sets for name, value in one(network).items()}
        alone = {"eer": _rate(pairs_within(mine, self.faces.labels)), **more}
        if self.teacher is None:
            return alone
        rows = np.arange(len(mine))
        both = pairs_between(
            unit(self.teacher),
            self.faces.labels,
            mine,
            self.faces.labels,
            gallery_images=rows,
            probe_images=rows,
        )
        return {"cross-space eer": _rate(both), **alone}


def _rate(scores: PairScores) -> float:
    found = equal_error(scores)
    return found.rate if isinstance(found, EqualError) else 1.0
