"""The parity stage: what every artifact is worth, on people nobody was trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.comparison import Comparison
from embedge.calibration.evaluation.crossspace import Reference, compare
from embedge.calibration.evaluation.worst import ScoredPair, worst_pairs
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import split_subjects, threshold_at
from embedge.export.parity import compare_embeddings
from embedge.files import sha256_file, write_json
from embedge.pipeline.recipe import Evaluate, Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.ship.views import Rows, Subjects, Views, views_of
from embedge.progress import Progress
from embedge.runtime.threshold import Threshold
from embedge.train.data import FaceSet

__all__ = ["findings_of", "parity_stage"]

_WORST_SHOWN = 6


def parity_stage(
    run: Run, recipe: Recipe, subjects: Subjects, graphs: dict[str, Path], after: list[Stage]
) -> Stage:
    """Embed the held-out people with everything, compare, and write the findings down."""

    def work(folder: Path) -> dict[str, Any]:
        faces = FaceSet.load(subjects.held_out.folder)
        views = views_of(recipe, faces, subjects, graphs, run.progress)
        write_json(folder / "findings.json", _findings(recipe, faces, views, graphs, run.progress))
        return {}

    inputs = {"evaluate": recipe.evaluate.model_dump(mode="json"), "seed": recipe.seed}
    return run.stage("parity", inputs, [*subjects.stages, *after], work)


def findings_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage.folder / "findings.json").read_text())
    return found


def _findings(
    recipe: Recipe, faces: FaceSet, views: Views, graphs: dict[str, Path], progress: Progress
) -> dict[str, Any]:
    calibrate, test = split_subjects(faces.labels, recipe.seed)
    artifacts = {}
    with progress.task("setting thresholds", len(graphs)) as task:
        for name, path in graphs.items():
            digest = sha256_file(path)
            artifacts[name] = _artifact(recipe.evaluate, faces, views, name, digest, calibrate)
            task.advance()
    comparisons = _comparisons(recipe, faces.labels[test], views, test, artifacts, progress)
    return {
        "dataset": {
            "name": faces.name,
            "fingerprint": faces.fingerprint,
            "identities": len(np.unique(faces.labels[test])),
            "images": int(test.sum()),
            "threshold_identities": len(np.unique(faces.labels[calibrate])),
        },
        "artifacts": artifacts,
        "comparisons": comparisons,
        "worst": _worst(views.artifacts["fp32"][test], faces.labels[test], np.flatnonzero(test)),
    }


def _artifact(
    wanted: Evaluate,
    faces: FaceSet,
    views: Views,
    name: str,
    digest: str,
    calibrate: NDArray[np.bool_],
) -> dict[str, Any]:
    """Parity with torch, and thresholds for a gallery of its own and for the teacher's."""
    rows, labels = views.artifacts[name][calibrate], faces.labels[calibrate]
    parity = compare_embeddings(views.student, views.artifacts[name])

    def threshold(scores: PairScores, fmr: float) -> Threshold | Insufficient:
        dataset = f"{faces.name} {faces.fingerprint[:12]}"
        return threshold_at(scores, fmr, dataset=dataset, model=digest)

    scores = pairs_within(rows, labels)
    own, teachers = threshold(scores, wanted.threshold_fmr), None
    if views.shared:
        across = _across(views.teacher[calibrate], rows, labels)
        teachers = threshold(across, wanted.threshold_fmr)
    ladder = [threshold(scores, fmr) for fmr in wanted.fmrs]
    return {
        "provider": views.providers[name],
        "cosine": {
            "mean": parity.mean,
            "p1": parity.p1,
            "min": parity.minimum,
            "n": parity.count,
        },
        "threshold": None if isinstance(own, Insufficient) else own.to_json(),
        "threshold_needs": own.needs if isinstance(own, Insufficient) else None,
        "threshold_against_teacher": (
            teachers.to_json() if isinstance(teachers, Threshold) else None
        ),
        "thresholds": [step.to_json() for step in ladder if isinstance(step, Threshold)],
    }


def _across(gallery: Rows, probe: Rows, labels: NDArray[np.int64]) -> PairScores:
    places = np.arange(len(labels))
    return pairs_between(gallery, labels, probe, labels, gallery_images=places, probe_images=places)


def _comparisons(
    recipe: Recipe,
    labels: NDArray[np.int64],
    views: Views,
    test: NDArray[np.bool_],
    artifacts: dict[str, dict[str, Any]],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Teacher alone; every artifact alone, with the first one's gallery and the teacher's."""
    fmrs, seed, found = recipe.evaluate.fmrs, recipe.seed, []
    teacher, reference = views.teacher[test], None
    total = 3 * len(views.artifacts) + 2 * (views.baseline is not None)
    with progress.task("comparing every pair", total) as task:

        def add(
            gallery: Rows,
            probe: Rows,
            roles: tuple[str, str],
            limit: dict[str, Any] | None = None,
            reference: Reference | None = None,
        ) -> Comparison:
            name = roles[0] if gallery is probe else " / ".join(roles)
            at = limit["value"] if limit else None
            more: dict[str, Any] = {"roles": roles, "seed": seed, "reference": reference}
            found.append(compare(name, gallery, probe, labels, fmrs, at, **more))
            task.advance()
            return found[-1]

        add(teacher, teacher, ("teacher", "teacher"))
        if views.original is not None:
            some = views.original[test]
            add(some, some, ("original teacher", "original teacher"))
        for name, rows in views.artifacts.items():
            some, role, facts = rows[test], f"student {name}", artifacts[name]
            alone = add(some, some, (role, role), facts["threshold"], reference)
            if reference is not None:
                add(reference.gallery, some, (reference.comparison.name, role), None, reference)
            reference = reference or Reference(alone, some, some)
            if views.shared:
                add(teacher, some, ("teacher", role), facts["threshold_against_teacher"])
        if views.baseline is not None:
            some = views.baseline[test]
            add(some, some, ("scratch", "scratch"))
            if some.shape == teacher.shape:
                add(teacher, some, ("teacher", "scratch"))
    return [comparison.to_json() for comparison in found]


def _worst(rows: Rows, labels: NDArray[np.int64], places: NDArray[np.int64]) -> dict[str, Any]:
    worst = worst_pairs(pairs_within(rows, labels), _WORST_SHOWN)

    def row(pair: ScoredPair) -> dict[str, Any]:
        return {
            "a": int(places[pair.gallery]),
            "b": int(places[pair.probe]),
            "cosine": float(pair.score),
        }

    return {
        "impostors": [row(pair) for pair in worst.impostors],
        "genuines": [row(pair) for pair in worst.genuines],
    }
