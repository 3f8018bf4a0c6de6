"""Checks of a student while it learns, on people it does not learn from and on verification sets.

These people choose: they set no threshold and nobody is judged on them, so the best checkpoint may
be chosen by their error rates. Verification sets, ten-fold accuracy as their papers
tell it, are only looked at.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, bare_rates, scores_of
from embedge.calibration.protocols.binfile import pairs_from_bin
from embedge.calibration.protocols.pairlist import PairProtocol, pairs_from_list
from embedge.calibration.tenfold import FoldedAccuracy, folded_accuracy
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.sources.paired import PairedFaces
from embedge.train.embed import embed_faces

__all__ = ["TrainingChecks", "VerificationSet"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VerificationSet:
    """Pairs in folds. `teacher` embeds the same pictures, if the student shares its space."""

    faces: PairedFaces
    protocol: PairProtocol
    teacher: Rows | None = None

    @classmethod
    def read(cls, given: str) -> Self:
        """A packed `.bin` file, or `PAIRS:FOLDER`: a list of pairs and where its pictures lie."""
        packed = given.endswith(".bin")
        path, protocol = (Path(given), pairs_from_bin(Path(given))) if packed else _listed(given)
        if len(np.unique(protocol.folds)) < 2:
            raise _unfit(given, "its pairs are in one fold: no threshold can be set on the others")
        found = cls(PairedFaces(path.stem, protocol), protocol)
        try:
            found.faces.read(0)
        except CorruptRecord as error:
            raise _unfit(given, str(error)) from error
        return found

    @property
    def name(self) -> str:
        return self.faces.name

    @property
    def fingerprint(self) -> str:
        """Of every picture, pair, verdict and fold."""
        content = hashlib.sha256(self.faces.fingerprint.encode())
        for rows in (self.protocol.pairs, self.protocol.same, self.protocol.folds):
            content.update(np.ascontiguousarray(rows).tobytes())
        return content.hexdigest()

    def taught(self, embed: Callable[[FaceDataset], Rows]) -> "VerificationSet":
        """With the teacher's embeddings of its pictures."""
        return replace(self, teacher=unit_rows(embed(self.faces)))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        silent = Progress(quiet=True)
        mine = unit_rows(embed_faces(network, self.faces, what=self.name, progress=silent))
        found = {f"{self.name} accuracy": self._accuracy(mine, mine)}
        if self.teacher is not None:
            found[f"{self.name} cross-space accuracy"] = self._accuracy(self.teacher, mine)
        return found

    def _accuracy(self, gallery: Rows, probe: Rows) -> float:
        test = self.protocol
        first, second = test.pairs.T
        cosines = np.einsum("nd,nd->n", gallery[first], probe[second])
        found = folded_accuracy(cosines, test.same, test.folds)
        assert isinstance(found, FoldedAccuracy)  # the folds were counted when it was read
        return found.mean


def _listed(given: str) -> tuple[Path, PairProtocol]:
    path, _, root = given.rpartition(":")
    if not path:
        raise _unfit(given, "it is no .bin, and no folder of pictures follows a colon")
    return Path(path), pairs_from_list(Path(path), Path(root))


def _unfit(given: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-VERIFICATION",
        f"this verification set cannot be used: {what}",
        where=given,
        remedy="Give data.verification .bin files, or lists as PAIRS:FOLDER, of aligned faces",
    )


@dataclass(frozen=True, slots=True)
class TrainingChecks:
    """`teacher` embeds the same pictures in the student's space, where there is such a teacher."""

    faces: FaceDataset
    teacher: Rows | None
    every: int
    patience: int = 0
    """evaluations without improvement after which the training stops; 0 never stops it"""
    sets: tuple[VerificationSet, ...] = ()

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Equal error rates; the first one is what the best checkpoint is chosen by."""
        silent = Progress(quiet=True)
        rows = unit_rows(embed_faces(network, self.faces, what="checks", progress=silent))
        mine, more = Subject(Side("student"), rows), {}
        for one in self.sets:
            more.update(one(network))
        alone = {"eer": self._rate(mine, mine), **more}
        if self.teacher is None:
            return alone
        teacher = Subject(Side("teacher"), unit_rows(self.teacher))
        return {"cross-space eer": self._rate(teacher, mine), **alone}

    def _rate(self, gallery: Subject, probe: Subject) -> float:
        found = bare_rates(scores_of(gallery, probe, self.faces.labels)).eer
        return 1.0 if found is None else found
