"""Pairs of faces: all pairs of people in folders, or the pairs of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.embed import Embedded, FeatureEncoder, Ticker, embedded
from embedge.calibration.evaluation.faces import FaceFiles, Faces, StampedFaces
from embedge.calibration.evaluation.figures import Acquisition, Key, Side
from embedge.calibration.evaluation.integrity import (
    DataFault,
    contradicted_pairs,
    copied_pictures,
    leaking_folds,
    likely_same_people,
    mislabelled,
    repeated_pairs,
)
from embedge.calibration.evaluation.judge import judged_scores
from embedge.calibration.evaluation.slices import Slices, group_labels, sliced
from embedge.calibration.pairs import pairs_listed, pairs_within
from embedge.calibration.people.copies import one_person, saved_again
from embedge.calibration.protocols.pairlist import PairProtocol
from embedge.calibration.rates import Insufficient, impostor_limit
from embedge.calibration.scores import Float32, PairScores
from embedge.calibration.tenfold import FoldedAccuracy, folded_accuracy
from embedge.calibration.trials.result import Evaluated
from embedge.runtime.picture.images import RgbImage

__all__ = ["Evidence", "FolderTrial", "PairTrial", "RunOptions", "names_of"]


@dataclass(frozen=True, slots=True, eq=False)
class RunOptions:
    """What every trial is told: FMR targets, where embeddings are kept, who is told, groups.

    Groups are judged at the threshold that everybody together has at `groups_fmr`. `threshold` is
    one that the model brings along.
    """

    fmrs: Sequence[float]
    cache: Path | None = None
    ticker: Ticker | None = None
    groups: Path | None = None
    groups_fmr: float = 1e-3
    threshold: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What figures were made from; the scores number the faces that could be embedded."""

    embedded: Embedded
    scores: PairScores


@dataclass(frozen=True, slots=True, eq=False)
class FolderTrial:
    """Every pair among the pictures of people in folders."""

    faces: FaceFiles
    subjects: NDArray[np.int64]

    def findings(self, digests: Sequence[str]) -> list[DataFault]:
        return copied_pictures(self.faces.names, digests, self.subjects)

    def run(
        self, side: Side, encoder: FeatureEncoder, options: RunOptions
    ) -> tuple[Evaluated, Evidence]:
        found = embedded(self.faces, encoder, cache=options.cache, ticker=options.ticker)
        good = found.acquired
        rows, subjects, names = found.embeddings[good], self.subjects[good], _kept(self.faces, good)
        scores = pairs_within(rows, subjects)
        left_out = _pairs_of(len(good)) - _pairs_of(len(names))
        measured = Evaluated(
            Acquisition.of(len(good), found.failures, left_out),
            (
                *mislabelled(names, rows, subjects, scores),
                *likely_same_people(names, rows, subjects, scores),
                *saved_again(names, scores, _reader(self.faces, good)),
                *one_person(scores),
            ),
            judged_scores(Key(side, side), scores, options.fmrs, options.threshold),
            slices=_slices(names, rows, subjects, scores, options),
        )
        return measured, Evidence(found, scores)


@dataclass(frozen=True, slots=True, eq=False)
class PairTrial:
    """The pairs of a list, and the accuracy over its folds."""

    protocol: PairProtocol

    @property
    def faces(self) -> StampedFaces:
        return self.protocol.faces

    @property
    def subjects(self) -> NDArray[np.int64]:
        return self.protocol.subjects

    def findings(self, digests: Sequence[str]) -> list[DataFault]:
        test, names = self.protocol, names_of(self.faces)
        contradicted = (
            contradicted_pairs(names, test.subjects, test.pairs, test.same) if test.named else []
        )
        copies = copied_pictures(names, digests, test.subjects)
        leaks = leaking_folds(test.subjects, test.pairs, test.folds, certain=test.named)
        return [*contradicted, *copies, *leaks, *repeated_pairs(test.pairs)]

    def run(
        self, side: Side, encoder: FeatureEncoder, options: RunOptions
    ) -> tuple[Evaluated, Evidence]:
        test = self.protocol
        found = embedded(test.faces, encoder, cache=options.cache, ticker=options.ticker)
        good = found.acquired
        kept = good[test.pairs].all(axis=1)
        place = np.cumsum(good) - 1
        pairs, same = place[test.pairs[kept]], test.same[kept]
        rows, subjects = found.embeddings[good], test.subjects[good]
        scores = pairs_listed(rows, subjects, pairs, same)
        cosines = np.einsum("nd,nd->n", rows[pairs[:, 0]], rows[pairs[:, 1]])
        accuracy = folded_accuracy(cosines, same, test.folds[kept])
        measured = Evaluated(
            Acquisition.of(len(good), found.failures, int((~kept).sum())),
            (
                *mislabelled(names := _kept(test.faces, good), rows, subjects, scores),
                *saved_again(names, scores, _reader(test.faces, good)),
            ),
            judged_scores(Key(side, side), scores, options.fmrs, options.threshold),
            accuracy if isinstance(accuracy, FoldedAccuracy) else None,
        )
        return measured, Evidence(found, scores)


def names_of(faces: Faces) -> list[str]:
    return [faces.record_name(index) for index in range(len(faces))]


def _slices(
    names: list[str],
    rows: Float32,
    subjects: NDArray[np.int64],
    scores: PairScores,
    options: RunOptions,
) -> Slices | None:
    if options.groups is None:
        return None
    groups = group_labels(options.groups, names)
    threshold = impostor_limit(scores, options.groups_fmr)
    if isinstance(threshold, Insufficient):
        return Slices(needs=threshold.needs)
    rejected = int(np.searchsorted(scores.genuine, np.float32(threshold), "right"))
    return sliced(rows, subjects, groups, threshold, rejected=rejected)


def _reader(faces: Faces, good: NDArray[np.bool_]) -> Callable[[int], RgbImage]:
    rows = np.flatnonzero(good)
    return lambda row: faces.read(int(rows[row]))


def _kept(faces: Faces, good: NDArray[np.bool_]) -> list[str]:
    return [faces.record_name(int(index)) for index in np.flatnonzero(good)]


def _pairs_of(count: int) -> int:
    return count * (count - 1) // 2
