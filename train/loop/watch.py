"""Watching a student while it learns: error rates on people it does not learn from.

These are the people that thresholds are set on, never those that a report judges with: the best
checkpoint may be chosen by them. Verification sets beside them are only looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, equal_error_rate
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
from embedge.train.data.vocabulary import FaceDataset
from embedge.train.embed import embed_faces
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
        rows = unit_rows(embed_faces(network, self.faces, what="watching", progress=silent))
        mine, more = Subject(Side("student"), rows), {}
        for one in self.sets:
            more.update(one(network))
        alone = {"eer": self._rate(mine, mine), **more}
        if self.teacher is None:
            return alone
        teacher = Subject(Side("teacher"), unit_rows(self.teacher))
        return {"cross-space eer": self._rate(teacher, mine), **alone}

    def _rate(self, gallery: Subject, probe: Subject) -> float:
        found = equal_error_rate(gallery, probe, self.faces.labels)
        return 1.0 if found is None else found
