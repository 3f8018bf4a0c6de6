"""What held-out people say of every artifact: nearness, thresholds, comparisons, worst pairs.

Nothing here trains, so that a network somebody already has is judged where torch is not installed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Comparison, Key, Loss
from embedge.calibration.evaluation.judge import Asked, Subject, cosines_of, judge, scores_of
from embedge.calibration.evaluation.worst import ScoredPair, worst_pairs
from embedge.calibration.intervals.lead import TarOfPeople, lead, tar_of_people
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.shortage import carried_threshold, shortage_text
from embedge.calibration.people.splits import Roles
from embedge.calibration.people.zoo import Zoo, zoo_of
from embedge.calibration.rates import OperatingPoint, operating_point
from embedge.calibration.thresholds import threshold_at
from embedge.files import sha256_file
from embedge.pipeline.proving.faults import faults_of, picture_digests, thresholds_on
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

__all__ = ["Operating", "Rows", "Views", "parity_result"]

Rows = NDArray[np.float32]
_WORST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Operating:
    """The rates that are told, those that thresholds keep and gates look at, the intervals' seed.

    `people` says what is not known of those who are held out.
    """

    fmrs: tuple[float, ...]
    threshold_fmr: float
    gate_fmr: float
    seed: int
    people: str


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


def parity_result(
    operating: Operating,
    faces: FaceSet,
    roles: Roles,
    views: Views,
    graphs: dict[str, Path],
    progress: Progress,
) -> ParityResult:
    labels, tested = faces.labels[roles.judge], views.of(roles.judge)
    artifacts = {}
    with progress.task("setting thresholds", len(graphs)) as task:
        for name, path in graphs.items():
            digest = sha256_file(path)
            artifacts[name] = found = _artifact(operating, faces, views, name, digest, roles)
            task.advance()
            if found.shortage is not None:
                progress.say(f"  {name}: {shortage_text(found.shortage, found.threshold)}")
    comparisons = _comparisons(operating, labels, tested, artifacts, progress)
    digests = picture_digests(faces)
    return ParityResult(
        _dataset(operating, faces, roles, digests),
        artifacts,
        comparisons,
        _worst(tested.artifacts["fp32"], labels, np.flatnonzero(roles.judge)),
        tuple(faults_of(faces, digests, views.teacher.rows)),
        _zoo(comparisons, tested.artifacts["fp32"], labels),
    )


def _dataset(operating: Operating, faces: FaceSet, roles: Roles, digests: list[str]) -> Dataset:
    return Dataset(
        faces.name,
        faces.fingerprint,
        identities=len(np.unique(faces.labels[roles.judge])),
        images=int(roles.judge.sum()),
        threshold_identities=len(np.unique(faces.labels[roles.threshold])),
        people=operating.people,
        thresholds_on=thresholds_on(digests, roles),
    )


def _zoo(
    comparisons: Sequence[Comparison], alone: Subject, labels: NDArray[np.int64]
) -> Zoo | None:
    found = next(one for one in comparisons if one.key == _alone(alone))
    if (line := found.line) is None:
        return None
    return zoo_of(pairs_within(alone.rows, labels), line.value, found.name, line.words)


def _losses(operating: Operating, views: Views, labels: NDArray[np.int64]) -> dict[Key, Loss]:
    """Against the first artifact, in the same rounds of the bootstrap, where TAR is known."""
    found = dict[str, TarOfPeople]()
    for name, one in views.artifacts.items():
        scores = scores_of(one, one, labels)
        point = operating_point(scores, operating.gate_fmr)
        if isinstance(point, OperatingPoint):
            found[name] = tar_of_people(scores, point, seed=operating.seed)
    first, *others = views.artifacts
    if first not in found:
        return {}
    leads = {name: lead(found[first], found[name]) for name in others if name in found}
    reference, fmr = _alone(views.artifacts[first]), operating.gate_fmr
    return {
        _alone(views.artifacts[name]): Loss(reference, fmr, one.difference, one.low, one.high)
        for name, one in leads.items()
    }


def _alone(artifact: Subject) -> Key:
    return Key(artifact.side, artifact.side)


def _artifact(
    operating: Operating,
    faces: FaceSet,
    views: Views,
    name: str,
    digest: str,
    roles: Roles,
) -> ArtifactParity:
    """Parity with torch, and thresholds for a gallery of its own and for the teacher's.

    Whoever chose says nothing of parity either: an artifact may have been fitted to them.
    """
    some, labels = views.of(roles.threshold), faces.labels[roles.threshold]
    told, probe = views.of(~roles.choose), some.artifacts[name]
    dataset = f"{faces.name} {faces.fingerprint[:12]}"
    mine = scores_of(probe, probe, labels)
    own, shortage = carried_threshold(mine, operating.threshold_fmr, dataset=dataset, model=digest)
    ladder = [threshold_at(mine, fmr, dataset=dataset, model=digest) for fmr in operating.fmrs]
    teachers = None
    if views.shared:
        across = scores_of(some.teacher, probe, labels)
        teachers, _ = carried_threshold(
            across, operating.threshold_fmr, dataset=dataset, model=digest
        )
    return ArtifactParity(
        provider=views.providers[name],
        cosine=cosines_of(told.student, told.artifacts[name].rows),
        threshold=own,
        shortage=shortage,
        threshold_against_teacher=teachers,
        thresholds=tuple(one for one in ladder if isinstance(one, Threshold)),
    )


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
        found = judge(wanted, labels, fmrs, seed=seed, on_done=task.advance)
    losses = _losses(operating, views, labels)
    return tuple(replace(_promised(one, artifacts), loss=losses.get(one.key)) for one in found)


def _promised(one: Comparison, artifacts: dict[str, ArtifactParity]) -> Comparison:
    """With the FMR that its threshold was set for."""
    if (at := one.at_threshold) is None:
        return one
    held = artifacts[str(one.probe.artifact)]
    alone = one.gallery == one.probe
    threshold = held.threshold if alone else held.threshold_against_teacher
    promised = None if threshold is None else threshold.fmr_target
    return replace(one, at_threshold=replace(at, promised=promised))


def _wanted(views: Views, artifacts: dict[str, ArtifactParity]) -> Iterator[Asked]:
    """Teacher alone; every artifact alone, with the first one's gallery and the teacher's."""
    yield Asked(views.teacher, views.teacher)
    if views.original is not None:
        yield Asked(views.original, views.original)
    first = next(iter(views.artifacts.values()))
    for name, artifact in views.artifacts.items():
        before = None if artifact is first else _alone(first)
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
