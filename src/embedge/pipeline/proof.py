"""The parity stage: what every artifact is worth, on people nobody was trained on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.crossspace import Reference, compare
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import split_subjects, threshold_at
from embedge.calibration.worst import ScoredPair, worst_pairs
from embedge.export.parity import compare_embeddings
from embedge.files import sha256_file, write_json
from embedge.pipeline.learning import load_student, teacher_of
from embedge.pipeline.stages import Run, Stage
from embedge.progress import Progress
from embedge.recipe import Evaluate, Recipe
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.threshold import Threshold
from embedge.train.centres import unit
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces

__all__ = ["findings_of", "parity_stage"]

Rows = NDArray[np.float32]
_WORST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class _Views:
    """The held-out pictures through every network, rows of length one."""

    teacher: Rows
    student: Rows
    baseline: Rows | None
    artifacts: dict[str, Rows]
    providers: dict[str, str]


def parity_stage(
    run: Run,
    recipe: Recipe,
    held_out: Stage,
    teacher: Stage,
    student: Stage,
    baseline: Stage | None,
    graphs: dict[str, Path],
    after: list[Stage],
) -> Stage:
    """Embed the held-out people with everything, compare, and write the findings down."""

    def work(folder: Path) -> dict[str, Any]:
        faces = FaceSet.load(held_out.folder)
        views = _views(recipe, faces, teacher, student, baseline, graphs, run.progress)
        write_json(folder / "findings.json", _findings(recipe, faces, views, graphs, run.progress))
        return {}

    stages = [held_out, teacher, student, *([baseline] if baseline else []), *after]
    inputs = {"evaluate": recipe.evaluate.model_dump(mode="json"), "seed": recipe.seed}
    return run.stage("parity", inputs, stages, work)


def findings_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage.folder / "findings.json").read_text())
    return found


def _views(
    recipe: Recipe,
    faces: FaceSet,
    teacher: Stage,
    student: Stage,
    baseline: Stage | None,
    graphs: dict[str, Path],
    progress: Progress,
) -> _Views:
    def through(network: Any, what: str) -> Rows:
        return unit(embed_faces(network, faces, what=f"held-out people, {what}", progress=progress))

    artifacts, providers = {}, {}
    for name, path in graphs.items():
        with OrtEncoder(path) as encoder:
            artifacts[name] = _embedded(encoder, faces, name, progress)
            providers[name] = encoder.provider
    return _Views(
        through(teacher_of(teacher).network, "teacher"),
        through(load_student(recipe, student), "student"),
        through(load_student(recipe, baseline), "from scratch") if baseline else None,
        artifacts,
        providers,
    )


def _embedded(encoder: OrtEncoder, faces: FaceSet, name: str, progress: Progress) -> Rows:
    rows = []
    with progress.task(f"held-out people, {name}", len(faces)) as task:
        for low in range(0, len(faces), 32):
            rows.append(encoder.embed(np.asarray(faces.images[low : low + 32])))
            task.advance(len(rows[-1]))
    return np.concatenate(rows)


def _findings(
    recipe: Recipe, faces: FaceSet, views: _Views, graphs: dict[str, Path], progress: Progress
) -> dict[str, Any]:
    calibrate, test = split_subjects(faces.labels, recipe.seed)
    progress.say("  comparing every pair …")
    artifacts = {
        name: _artifact(recipe.evaluate, faces, views, name, sha256_file(path), calibrate)
        for name, path in graphs.items()
    }
    return {
        "dataset": {
            "name": faces.name,
            "fingerprint": faces.fingerprint,
            "identities": len(np.unique(faces.labels[test])),
            "images": int(test.sum()),
            "threshold_identities": len(np.unique(faces.labels[calibrate])),
        },
        "artifacts": artifacts,
        "comparisons": _comparisons(recipe, faces.labels[test], views, test, artifacts),
        "worst": _worst(views.artifacts["fp32"][test], faces.labels[test], np.flatnonzero(test)),
    }


def _artifact(
    wanted: Evaluate,
    faces: FaceSet,
    views: _Views,
    name: str,
    digest: str,
    calibrate: NDArray[np.bool_],
) -> dict[str, Any]:
    """Parity with torch, and thresholds for a gallery of its own and for the teacher's."""
    rows, labels = views.artifacts[name][calibrate], faces.labels[calibrate]
    parity = compare_embeddings(views.student, views.artifacts[name])

    def threshold(scores: PairScores) -> Threshold | Insufficient:
        dataset = f"{faces.name} {faces.fingerprint[:12]}"
        return threshold_at(scores, wanted.threshold_fmr, dataset=dataset, model=digest)

    own = threshold(pairs_within(rows, labels))
    teachers = threshold(_across(views.teacher[calibrate], rows, labels))
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
            None if isinstance(teachers, Insufficient) else teachers.to_json()
        ),
    }


def _across(gallery: Rows, probe: Rows, labels: NDArray[np.int64]) -> PairScores:
    places = np.arange(len(labels))
    return pairs_between(gallery, labels, probe, labels, gallery_images=places, probe_images=places)


def _comparisons(
    recipe: Recipe,
    labels: NDArray[np.int64],
    views: _Views,
    test: NDArray[np.bool_],
    artifacts: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Teacher alone, student alone, teacher's gallery with the student's probes; every artifact."""
    fmrs, seed = recipe.evaluate.fmrs, recipe.seed
    teacher = views.teacher[test]

    def one(name: str, gallery: Rows, probe: Rows, roles: tuple[str, str], **more: Any) -> Any:
        return compare(name, gallery, probe, labels, fmrs, roles=roles, seed=seed, **more)

    found = [one("teacher", teacher, teacher, ("teacher", "teacher"))]
    reference = None
    for name, rows in views.artifacts.items():
        some, role = rows[test], f"student {name}"
        own, teachers = (
            artifacts[name][kind] and artifacts[name][kind]["value"]
            for kind in ("threshold", "threshold_against_teacher")
        )
        alone = one(role, some, some, (role, role), reference=reference, threshold=own)
        reference = reference or Reference(alone, some, some)
        across = one(f"teacher / {role}", teacher, some, ("teacher", role), threshold=teachers)
        found += [alone, across]
    if views.baseline is not None:
        some = views.baseline[test]
        found += [
            one("scratch", some, some, ("scratch", "scratch")),
            one("teacher / scratch", teacher, some, ("teacher", "scratch")),
        ]
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
