"""Tests that models are put to: each embeds its faces, scores them and checks its own data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.comparison import Comparison
from embedge.calibration.evaluation.crossspace import compared_scores
from embedge.calibration.evaluation.embed import (
    Embedded,
    FeatureEncoder,
    Ticker,
    embedded,
)
from embedge.calibration.evaluation.faces import FaceFiles, Faces
from embedge.calibration.evaluation.integrity import (
    Finding,
    contradicted_pairs,
    copied_pictures,
    leaking_folds,
    likely_same_people,
    mislabelled,
)
from embedge.calibration.evaluation.slices import Slices, group_labels, sliced
from embedge.calibration.pairs import pairs_listed, pairs_within
from embedge.calibration.protocols.pairlist import PairProtocol
from embedge.calibration.rates import Insufficient, impostor_limit
from embedge.calibration.scores import Float32, PairScores
from embedge.calibration.tenfold import FoldedAccuracy, folded_accuracy

__all__ = ["FolderTest", "Measured", "PairTest", "RunOptions"]


@dataclass(frozen=True, slots=True, eq=False)
class RunOptions:
    """What every test is told: FMR targets, where embeddings are kept, who watches, groups.

    Groups are judged at the threshold that everybody together has at `groups_fmr`. `threshold` is
    one that the model brings along.
    """

    fmrs: Sequence[float]
    cache: Path | None = None
    ticker: Ticker | None = None
    groups: Path | None = None
    groups_fmr: float = 1e-3
    threshold: float | None = None

    def embedded(self, faces: Faces, encoder: FeatureEncoder) -> Embedded:
        return embedded(faces, encoder, cache=self.cache, ticker=self.ticker)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One model on one test. `left_out` comparisons lack a face that could be embedded."""

    comparison: Comparison
    scores: PairScores
    rows: Embedded
    left_out: int
    accuracy: FoldedAccuracy | Insufficient | None = None
    findings: list[Finding] = field(default_factory=list)
    slices: Slices | Insufficient | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **self.comparison.to_json(),
            "slices": self.slices and self.slices.to_json(),
            "accuracy": self.accuracy and self.accuracy.to_json(),
            "acquisition": {
                **self.rows.acquisition.to_json(),
                "comparisons_left_out": self.left_out,
            },
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True, eq=False)
class FolderTest:
    """Every pair among the pictures of people in folders."""

    faces: FaceFiles
    subjects: NDArray[np.int64]

    def findings(self, digests: Sequence[str]) -> list[Finding]:
        return copied_pictures(self.faces.names, digests, self.subjects)

    def run(self, name: str, encoder: FeatureEncoder, options: RunOptions) -> Measured:
        rows = options.embedded(self.faces, encoder)
        good = rows.acquired
        embeddings, subjects = rows.embeddings[good], self.subjects[good]
        names = _kept(self.faces, good)
        scores = pairs_within(embeddings, subjects)
        return Measured(
            compared_scores(name, scores, options.fmrs, options.threshold),
            scores,
            rows,
            _pairs_of(len(good)) - _pairs_of(len(names)),
            findings=[
                *mislabelled(names, embeddings, subjects, scores),
                *likely_same_people(names, embeddings, subjects, scores),
            ],
            slices=_slices(names, embeddings, subjects, scores, options),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PairTest:
    """The pairs of a list, and the accuracy over its folds."""

    protocol: PairProtocol

    @property
    def faces(self) -> Faces:
        return self.protocol.faces

    @property
    def subjects(self) -> NDArray[np.int64]:
        return self.protocol.subjects

    def findings(self, digests: Sequence[str]) -> list[Finding]:
        test = self.protocol
        contradicted = (
            contradicted_pairs(test.faces.names, test.subjects, test.pairs, test.same)
            if test.named
            else []
        )
        copies = copied_pictures(test.faces.names, digests, test.subjects)
        leaks = leaking_folds(test.subjects, test.pairs, test.folds, certain=test.named)
        return [*contradicted, *copies, *leaks]

    def run(self, name: str, encoder: FeatureEncoder, options: RunOptions) -> Measured:
        rows = options.embedded(self.faces, encoder)
        test, good = self.protocol, rows.acquired
        kept = good[test.pairs].all(axis=1)
        place = np.cumsum(good) - 1
        pairs, same = place[test.pairs[kept]], test.same[kept]
        embeddings, subjects = rows.embeddings[good], test.subjects[good]
        scores = pairs_listed(embeddings, subjects, pairs, same)
        cosines = np.einsum("nd,nd->n", embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])
        return Measured(
            compared_scores(name, scores, options.fmrs, options.threshold),
            scores,
            rows,
            int((~kept).sum()),
            folded_accuracy(cosines, same, test.folds[kept]),
            mislabelled(_kept(test.faces, good), embeddings, subjects, scores),
        )


def _slices(
    names: list[str],
    embeddings: Float32,
    subjects: NDArray[np.int64],
    scores: PairScores,
    options: RunOptions,
) -> Slices | Insufficient | None:
    if options.groups is None:
        return None
    groups = group_labels(options.groups, names)
    threshold = impostor_limit(scores, options.groups_fmr)
    if isinstance(threshold, Insufficient):
        return threshold
    return sliced(embeddings, subjects, groups, threshold)


def _kept(faces: Faces, good: NDArray[np.bool_]) -> list[str]:
    return [name for name, kept in zip(faces.names, good) if kept]


def _pairs_of(count: int) -> int:
    return count * (count - 1) // 2
