"""The parity stage: what every artifact is worth, on people nobody was trained on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Comparison, Key
from embedge.calibration.evaluation.integrity import (
    DataFault,
    copied_pictures,
    likely_same_people,
    mislabelled,
)
from embedge.calibration.evaluation.judge import Asked, Subject, cosines_of, judge, scores_of
from embedge.calibration.evaluation.worst import ScoredPair, worst_pairs
from embedge.calibration.intervals.bootstrap import resampled
from embedge.calibration.intervals.lead import Lead, lead, tar_rounds
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.shortage import carried_threshold, shortage_text
from embedge.calibration.people.splits import RULES, Roles
from embedge.calibration.people.zoo import Zoo, zoo_of
from embedge.calibration.rates import OperatingPoint, operating_point
from embedge.calibration.thresholds import threshold_at
from embedge.files import sha256_file, write_json
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import roles_in, somebody_chooses
from embedge.pipeline.stages.ship.parity_result import (
    ArtifactParity,
    ParityResult,
    ScoredPlaces,
    WorstPlaces,
)
from embedge.pipeline.stages.ship.views import JudgedStages, Views, views_of
from embedge.progress import Progress
from embedge.report.model import Dataset, ThresholdsOn
from embedge.runtime.threshold import Threshold
from embedge.train.data import FaceSet
from embedge.typed import plain, structured

__all__ = ["findings_from_views", "findings_of", "parity_stage"]

_FORM = 3  # of the findings on disk
_WORST_SHOWN = 6


def parity_stage(
    run: Run, recipe: Recipe, subjects: JudgedStages, graphs: dict[str, Path], after: list[Stage]
) -> Stage:
    """Embed the held-out people with everything, compare, and write the findings down."""

    def work(folder: Path) -> dict[str, Any]:
        faces = FaceSet.load(subjects.held_out.folder)
        views = views_of(recipe, faces, subjects, graphs, run.progress)
        found = findings_from_views(recipe, faces, views, graphs, run.progress)
        write_json(folder / "findings.json", plain(found))
        return {}

    evaluate = recipe.evaluate.model_dump(mode="json")
    split = [recipe.data.seed, somebody_chooses(recipe), RULES]
    inputs = {"evaluate": evaluate, "seed": recipe.seed, "split": split, "form": _FORM}
    return run.stage("parity", inputs, [*subjects.stages, *after], work)


def findings_of(stage: Stage) -> ParityResult:
    return structured(ParityResult, json.loads((stage.folder / "findings.json").read_text()))


def findings_from_views(
    recipe: Recipe, faces: FaceSet, views: Views, graphs: dict[str, Path], progress: Progress
) -> ParityResult:
    roles, artifacts = roles_in(faces, recipe), {}
    labels, tested = faces.labels[roles.judge], views.of(roles.judge)
    losses = _losses(recipe, tested, labels)
    with progress.task("setting thresholds", len(graphs)) as task:
        for name, path in graphs.items():
            found = _artifact(recipe, faces, views, name, sha256_file(path), roles.threshold)
            artifacts[name] = replace(found, loss=losses.get(name))
            task.advance()
            if found.shortage is not None:
                progress.say(f"  {name}: {shortage_text(found.shortage, found.threshold)}")
    digests = [sha256(picture.tobytes()).hexdigest() for picture in faces.images]
    dataset = Dataset(
        faces.name,
        faces.fingerprint,
        identities=len(np.unique(labels)),
        images=int(roles.judge.sum()),
        threshold_identities=len(np.unique(faces.labels[roles.threshold])),
        people=_people(recipe),
        thresholds_on=_thresholds_on(digests, roles),
    )
    comparisons = _comparisons(recipe, labels, tested, artifacts, progress)
    return ParityResult(
        dataset,
        artifacts,
        comparisons,
        _worst(tested.artifacts["fp32"], labels, np.flatnonzero(roles.judge)),
        tuple(_findings(faces, digests, views)),
        _zoo(comparisons, tested.artifacts["fp32"], labels),
    )


def _zoo(
    comparisons: Sequence[Comparison], alone: Subject, labels: NDArray[np.int64]
) -> Zoo | None:
    key = Key(alone.side, alone.side)
    found = next(one for one in comparisons if one.key == key)
    if (line := found.line) is None:
        return None
    return zoo_of(pairs_within(alone.rows, labels), line.value, found.name, line.words)


def _people(recipe: Recipe) -> str:
    """Only of those who are rendered here, for networks trained here, all is known."""
    if recipe.data.source == "rendered" and recipe.teacher.source != "file":
        return ""
    return (
        "people held out by their names (not checked: whether the teacher learnt from them, or any"
        " of them is learnt from under another name)"
    )


def _thresholds_on(digests: list[str], roles: Roles) -> ThresholdsOn:
    """By their pictures: one person under two names has one role too many."""
    setting, judging = (
        {digests[row] for row in np.flatnonzero(mask)}
        for mask in (roles.threshold | roles.choose, roles.judge)
    )
    return "the same people" if setting & judging else "other people"


def _findings(faces: FaceSet, digests: list[str], views: Views) -> Iterator[DataFault]:
    """Faults of the held-out faces, as the teacher sees them."""
    names = [f"{faces.identities[label]} #{n}" for n, label in enumerate(faces.labels)]
    yield from copied_pictures(names, digests, faces.labels)
    rows = views.teacher.rows
    scores = pairs_within(rows, faces.labels)
    for fault in mislabelled(names, rows, faces.labels, scores):
        # where all of them are suspect, the teacher may be the poor one: the gates ask the student
        blind = fault.count == len(names)
        yield _seen(replace(fault, severity="warning") if blind else fault)
    yield from map(_seen, likely_same_people(names, rows, faces.labels, scores))


def _seen(fault: DataFault) -> DataFault:
    return replace(fault, what=f"{fault.what}, as the teacher sees them")


def _losses(recipe: Recipe, views: Views, labels: NDArray[np.int64]) -> dict[str, Lead]:
    """Against the first artifact, in the same rounds of the bootstrap, where TAR is known."""
    fmr = recipe.evaluate.gate_fmr
    found = dict[str, tuple[float, NDArray[np.float64]]]()
    for name, one in views.artifacts.items():
        scores = scores_of(one, one, labels)
        point = operating_point(scores, fmr)
        if isinstance(point, OperatingPoint):
            found[name] = point.tar, tar_rounds(resampled(scores, seed=recipe.seed), fmr)
    first, *others = views.artifacts
    people = len(np.unique(labels))
    return {
        name: lead(found[first][0] - found[name][0], found[first][1], found[name][1], people)
        for name in others
        if first in found and name in found
    }


def _artifact(
    recipe: Recipe,
    faces: FaceSet,
    views: Views,
    name: str,
    digest: str,
    calibrate: NDArray[np.bool_],
) -> ArtifactParity:
    """Parity with torch, and thresholds for a gallery of its own and for the teacher's."""
    wanted, some, labels = recipe.evaluate, views.of(calibrate), faces.labels[calibrate]
    probe = some.artifacts[name]
    dataset = f"{faces.name} {faces.fingerprint[:12]}"
    mine = scores_of(probe, probe, labels)
    own, shortage = carried_threshold(mine, wanted.threshold_fmr, dataset=dataset, model=digest)
    ladder = [threshold_at(mine, fmr, dataset=dataset, model=digest) for fmr in wanted.fmrs]
    teachers = None
    if views.shared:
        across = scores_of(some.teacher, probe, labels)
        teachers, _ = carried_threshold(across, wanted.threshold_fmr, dataset=dataset, model=digest)
    return ArtifactParity(
        provider=views.providers[name],
        cosine=cosines_of(views.student, views.artifacts[name].rows),
        threshold=own,
        shortage=shortage,
        threshold_against_teacher=teachers,
        thresholds=tuple(one for one in ladder if isinstance(one, Threshold)),
    )


def _comparisons(
    recipe: Recipe,
    labels: NDArray[np.int64],
    views: Views,
    artifacts: dict[str, ArtifactParity],
    progress: Progress,
) -> tuple[Comparison, ...]:
    wanted = list(_wanted(views, artifacts))
    with progress.task("comparing every pair", len(wanted)) as task:
        fmrs, seed = recipe.evaluate.fmrs, recipe.seed
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
