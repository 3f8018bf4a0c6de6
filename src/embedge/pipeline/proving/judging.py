"""What held-out people say of every artifact: nearness, thresholds, comparisons, worst pairs.

Nothing here trains, so that a network somebody already has is judged where torch is not installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Comparison, Key
from embedge.calibration.evaluation.judge import Asked, Subject, cosines_of, judge, scores_of
from embedge.calibration.evaluation.worst import ScoredPair, worst_pairs
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient
from embedge.calibration.thresholds import threshold_at
from embedge.files import sha256_file
from embedge.pipeline.stages.ship.parity_result import (
    ArtifactParity,
    ParityResult,
    ScoredPlaces,
    WorstPlaces,
)
from embedge.progress import Progress
from embedge.report.model import Dataset
from embedge.runtime.threshold import Threshold
from embedge.train.data import FaceSet

__all__ = ["Operating", "Rows", "Views", "findings"]

Rows = NDArray[np.float32]
Split = tuple[NDArray[np.bool_], NDArray[np.bool_]]
_WORST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Operating:
    """The rates that are told, the one that thresholds keep, and the seed of the intervals."""

    fmrs: tuple[float, ...]
    threshold_fmr: float
    seed: int


@dataclass(frozen=True, slots=True)
class Views:
    """The held-out pictures through every network; `student` is the one in torch."""

    teacher: Subject
    student: Rows
    baseline: Subject | None
    original: Subject | None
    artifacts: dict[str, Subject]
    providers: dict[str, str]
    shared: bool
    """whether the student speaks the teacher's language"""

    def of(self, rows: NDArray[np.bool_]) -> "Views":
        """Of some pictures only."""

        def chosen(one: Subject) -> Subject:
            return replace(one, rows=one.rows[rows])

        return replace(
            self,
            teacher=chosen(self.teacher),
            student=self.student[rows],
            baseline=self.baseline and chosen(self.baseline),
            original=self.original and chosen(self.original),
            artifacts={name: chosen(one) for name, one in self.artifacts.items()},
        )


def findings(
    operating: Operating,
    faces: FaceSet,
    split: Split,
    views: Views,
    graphs: dict[str, Path],
    progress: Progress,
) -> ParityResult:
    """`split`: whose comparisons set thresholds, and whose are judged by them."""
    calibrate, test = split
    artifacts = {}
    with progress.task("setting thresholds", len(graphs)) as task:
        for name, path in graphs.items():
            digest = sha256_file(path)
            artifacts[name] = _artifact(operating, faces, views, name, digest, calibrate)
            task.advance()
    labels, tested = faces.labels[test], views.of(test)
    dataset = Dataset(
        faces.name,
        faces.fingerprint,
        identities=len(np.unique(labels)),
        images=int(test.sum()),
        threshold_identities=len(np.unique(faces.labels[calibrate])),
    )
    return ParityResult(
        dataset,
        artifacts,
        _comparisons(operating, labels, tested, artifacts, progress),
        _worst(tested.artifacts["fp32"], labels, np.flatnonzero(test)),
    )


def _artifact(
    operating: Operating,
    faces: FaceSet,
    views: Views,
    name: str,
    digest: str,
    calibrate: NDArray[np.bool_],
) -> ArtifactParity:
    """Parity with torch, and thresholds for a gallery of its own and for the teacher's."""
    some, labels = views.of(calibrate), faces.labels[calibrate]
    probe, dataset = some.artifacts[name], f"{faces.name} {faces.fingerprint[:12]}"

    def thresholds(gallery: Subject, *fmrs: float) -> list[Threshold | Insufficient]:
        scores = scores_of(gallery, probe, labels)
        return [threshold_at(scores, fmr, dataset=dataset, model=digest) for fmr in fmrs]

    own, *ladder = thresholds(probe, operating.threshold_fmr, *operating.fmrs)
    teachers = thresholds(some.teacher, operating.threshold_fmr) if views.shared else []
    return ArtifactParity(
        provider=views.providers[name],
        cosine=cosines_of(views.student, views.artifacts[name].rows),
        threshold=next(_set(own), None),
        threshold_needs=own.needs if isinstance(own, Insufficient) else None,
        threshold_against_teacher=next(_set(*teachers), None),
        thresholds=tuple(_set(*ladder)),
    )


def _set(*found: Threshold | Insufficient) -> Iterator[Threshold]:
    return (one for one in found if isinstance(one, Threshold))


def _comparisons(
    operating: Operating,
    labels: NDArray[np.int64],
    views: Views,
    artifacts: dict[str, ArtifactParity],
    progress: Progress,
) -> tuple[Comparison, ...]:
    wanted = list(_wanted(views, artifacts))
    with progress.task("comparing every pair", len(wanted)) as task:
        fmrs, seed = operating.fmrs, operating.seed
        return judge(wanted, labels, fmrs, seed=seed, on_done=task.advance)


def _wanted(views: Views, artifacts: dict[str, ArtifactParity]) -> Iterator[Asked]:
    """Teacher alone; every artifact alone, with the first one's gallery and the teacher's."""
    yield Asked(views.teacher, views.teacher)
    if views.original is not None:
        yield Asked(views.original, views.original)
    first = next(iter(views.artifacts.values()))
    for name, artifact in views.artifacts.items():
        before = None if artifact is first else Key(first.side, first.side)
        yield Asked(artifact, artifact, _value(artifacts[name].threshold), before)
        if before is not None:
            yield Asked(first, artifact, instead_of=before)
        if views.shared:
            limit = artifacts[name].threshold_against_teacher
            yield Asked(views.teacher, artifact, _value(limit))
    if views.baseline is not None:
        yield Asked(views.baseline, views.baseline)
        if views.baseline.rows.shape == views.teacher.rows.shape:
            yield Asked(views.teacher, views.baseline)


def _value(threshold: Threshold | None) -> float | None:
    return None if threshold is None else threshold.value


def _worst(artifact: Subject, labels: NDArray[np.int64], places: NDArray[np.int64]) -> WorstPlaces:
    worst = worst_pairs(pairs_within(artifact.rows, labels), _WORST_SHOWN)

    def placed(pairs: tuple[ScoredPair, ...]) -> tuple[ScoredPlaces, ...]:
        return tuple(
            ScoredPlaces(int(places[one.gallery]), int(places[one.probe]), float(one.score))
            for one in pairs
        )

    return WorstPlaces(placed(worst.impostors), placed(worst.genuines))
