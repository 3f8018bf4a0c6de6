"""The first stages: faces, teacher, its embeddings, its head."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, whole_file, write_json
from embedge.pipeline.recipe import Margin, Recipe, Schedule
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.train.data import FaceDataset
from embedge.train.data.splits import Subset
from embedge.train.distil import CachedTeacher
from embedge.train.head.margins import Margin as TargetMargin
from embedge.train.head.recovery.centres import recovered_centres
from embedge.train.head.recovery.probe import probed_head
from embedge.train.loop.training import Plan
from embedge.train.teachers import SHIPPED, OnnxTeacher, Teacher, open_teacher, save_teacher
from embedge.train.teachers.arcface_torch import head_from_shards, network_from_checkpoint
from embedge.train.teachers.cache import write_cache
from embedge.train.teachers.making.teaching import train_teacher
from embedge.train.teachers.onnx_teacher import confirm_preprocessing
from embedge.train.teachers.zoo import PREFIX, zoo_file

__all__ = [
    "School",
    "cache_stage",
    "cached",
    "head_of",
    "head_stage",
    "margin_of",
    "plan_of",
    "save_head",
    "school_cache",
    "some_people",
    "teacher_of",
    "teacher_stage",
]

_CONFIRMED_ON = 256
_RECOGNISED = 0.5


@dataclass(frozen=True, slots=True)
class School:
    """What every student is taught with."""

    faces: Stage
    teacher: Stage
    head: Stage


def teacher_stage(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    """Train a teacher, take the one in the package, or bring one from a file."""
    match recipe.teacher.source:
        case "shipped":
            digest = sha256_file(SHIPPED)
            return run.stage("teacher", {"digest": digest}, [], lambda f: _copied(SHIPPED, f))
        case "file":
            return _teacher_from_file(run, recipe, faces)
    return _trained_teacher(run, recipe, faces)


def _trained_teacher(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    wanted = recipe.teacher

    def work(folder: Path) -> dict[str, Any]:
        curves = train_teacher(
            faces_of(faces),
            plan_of(wanted.train),
            margin_of(wanted.margin),
            depth=wanted.depth,
            channels=wanted.channels,
            dim=wanted.dim,
            seed=recipe.seed,
            out=folder / "teacher.safetensors",
            progress=run.progress,
        )
        return {"curves": curves}

    foreign = {"source", "file", "head_shards", "preprocessing", "probe_steps"}
    inputs = {"teacher": wanted.model_dump(mode="json", exclude=foreign), "seed": recipe.seed}
    return run.stage("teacher", inputs, [faces], work, together=True)


def _teacher_from_file(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    wanted = recipe.teacher
    path, shards = _teacher_file(wanted.file), [Path(shard) for shard in wanted.head_shards]
    inputs = {
        "file": _digest(path),
        "shards": [_digest(shard) for shard in shards],
        "preprocessing": wanted.preprocessing,
    }

    def work(folder: Path) -> dict[str, Any]:
        if path.suffix == ".onnx":
            return _taken_onnx(path, folder, wanted.preprocessing, faces_of(faces))
        if path.suffix == ".safetensors":
            open_teacher(path)
            return _copied(path, folder)
        network, facts = network_from_checkpoint(path)
        head = head_from_shards(shards, _classes_of(faces_of(faces))) if shards else None
        save_teacher(folder / "teacher.safetensors", network, head, facts)
        return {"curves": {}}

    looked_at = path.suffix == ".onnx" or shards
    return run.stage("teacher", inputs, [faces] if looked_at else [], work)


def _classes_of(faces: FaceDataset) -> int:
    """Of the whole data set: a classifier knows those too who are held out here."""
    return faces.whole.classes if isinstance(faces, Subset) else faces.classes


def _teacher_file(named: str | None) -> Path:
    if named is None:
        raise EmbedgeError(
            "E-TEACHER",
            "teacher.source is file, and no teacher.file is given",
            remedy="Give --teacher.file with an .onnx, .pt, .pth, .safetensors or insightface:PACK",
        )
    return zoo_file(named.removeprefix(PREFIX)) if named.startswith(PREFIX) else Path(named)


def _digest(path: Path) -> str:
    if not path.is_file():
        raise EmbedgeError("E-TEACHER", "there is no such file", where=path, remedy="Check it")
    return sha256_file(path)


def _taken_onnx(
    path: Path, folder: Path, preprocessing: str | None, faces: FaceDataset
) -> dict[str, Any]:
    """Copy it, once faces have confirmed how it wants to be fed."""
    teacher = OnnxTeacher(path, preprocessing)
    some = some_people(faces.labels, _CONFIRMED_ON)
    rates = confirm_preprocessing(teacher, np.asarray(faces.images[some]), faces.labels[some])
    _copied(path, folder)
    return {"curves": {}, "preprocessing": teacher.preprocessing, "confirmed": rates}


def some_people(labels: np.ndarray, count: int) -> np.ndarray:
    """About `count` pictures, of people who have several."""
    sizes = np.bincount(labels)
    several = np.flatnonzero(sizes > 1)
    return np.flatnonzero(np.isin(labels, several))[:count]


def _copied(path: Path, folder: Path) -> dict[str, Any]:
    with whole_file(folder / f"teacher{path.suffix}") as part:
        shutil.copyfile(path, part)
    return {"curves": {}}


def teacher_of(stage: Stage) -> Teacher:
    return open_teacher(stage.folder, stage.facts.get("preprocessing"))


def cache_stage(run: Run, recipe: Recipe, faces: Stage, teacher: Stage, *, flip: bool) -> Stage:
    """The teacher's embeddings of every training picture, in half precision."""

    def work(folder: Path) -> dict[str, Any]:
        known, pictures = teacher_of(teacher), faces_of(faces)
        write_cache(folder / "plain.npy", known, pictures, flip=False, progress=run.progress)
        if flip:
            write_cache(folder / "flipped.npy", known, pictures, flip=True, progress=run.progress)
        return {}

    return run.stage("cache", {"flip": flip}, [faces, teacher], work)


def school_cache(run: Run, recipe: Recipe, school: School) -> Stage:
    """The one that a whole school shares. A teacher whose centres were recovered has its mirrored
    embeddings already."""
    flip = recipe.data.flip or "recovered" in school.head.facts
    return cache_stage(run, recipe, school.faces, school.teacher, flip=flip)


def cached(stage: Stage) -> CachedTeacher:
    flipped = stage.folder / "flipped.npy"
    return CachedTeacher(
        np.load(stage.folder / "plain.npy", mmap_mode="r"),
        np.load(flipped, mmap_mode="r") if flipped.is_file() else None,
    )


def head_stage(run: Run, recipe: Recipe, faces: Stage, teacher: Stage) -> Stage:
    """The classifier to share: the teacher's own rows, or recovered class centres."""
    known, pictures = teacher_of(teacher), faces_of(faces)
    rows = _own_rows(known, pictures)
    if rows is None and known.head is not None:
        run.progress.say(
            f"  the teacher's classifier of {len(known.head)} classes is not of these"
            f" {pictures.classes} people: centres are recovered from its embeddings"
        )
    if rows is not None:
        return run.stage("head", {}, [faces, teacher], lambda f: _kept(f, rows, known, pictures))
    cache = cache_stage(run, recipe, faces, teacher, flip=True)
    steps = recipe.teacher.probe_steps
    margin = margin_of(recipe.distill.margin)

    def work(folder: Path) -> dict[str, Any]:
        both = cached(cache)
        centres, report = recovered_centres(
            [side for side in (both.plain, both.flipped) if side is not None],
            pictures.labels,
            pictures.identities,
        )
        head = torch.from_numpy(centres)
        source = "class centres recovered from the teacher's embeddings"
        if steps:
            head = probed_head(both.plain, pictures.labels, head, margin, steps, recipe.seed)
            source += f", refined by {steps} steps of a margin softmax"
        save_head(folder, head)
        write_json(folder / "centres.json", report.to_json())
        run.progress.say(f"  {report.summary()}")
        return {"source": source, "classes": pictures.classes, "recovered": report.summary()}

    probe = {"steps": steps, "margin": recipe.distill.margin.model_dump()} if steps else None
    return run.stage("head", {"trim": 0.1, "probe": probe}, [cache], work)


def _own_rows(teacher: Teacher, faces: FaceDataset) -> Tensor | None:
    """The teacher's rows of these identities: by name, or by the data set's own order where nobody
    named them. None where they are of other people or of another number."""
    if teacher.head is None:
        return None
    if not teacher.identities:
        if len(teacher.head) != _classes_of(faces):
            return None
        kept = faces.kept if isinstance(faces, Subset) else np.arange(faces.classes)
        return teacher.head[torch.from_numpy(kept)]
    rows = {name: row for row, name in enumerate(teacher.identities)}
    if not all(name in rows for name in faces.identities):
        return None
    return teacher.head[[rows[name] for name in faces.identities]]


def _kept(folder: Path, rows: Tensor, teacher: Teacher, faces: FaceDataset) -> dict[str, Any]:
    if not teacher.identities:
        _confirm_order(rows, teacher, faces)
    save_head(folder, rows)
    return {"source": "the teacher's own classifier", "classes": len(rows)}


def _confirm_order(rows: Tensor, teacher: Teacher, faces: FaceDataset) -> None:
    """A classifier whose rows nobody named must at least recognise the faces it is used for."""
    some = np.linspace(0, len(faces) - 1, min(_CONFIRMED_ON, len(faces))).astype(np.int64)
    answers = torch.from_numpy(teacher.features(np.asarray(faces.images[some]))) @ rows.T
    right = float((answers.argmax(1).numpy() == faces.labels[some]).mean())
    if right < _RECOGNISED:
        raise EmbedgeError(
            "E-HEAD-ORDER",
            f"the teacher's classifier names the right person for {right:.0%} of {len(some)}"
            " training pictures: its rows are in another order, or of other people",
            remedy="Leave out teacher.head_shards: centres are then recovered from the faces",
        )


def save_head(folder: Path, head: Tensor, name: str = "head") -> None:
    with whole_file(folder / f"{name}.safetensors") as part:
        save_file({"head": head.contiguous()}, part)


def head_of(stage: Stage, name: str = "head") -> Tensor:
    return load_file(stage.folder / f"{name}.safetensors")["head"]


def plan_of(schedule: Schedule) -> Plan:
    return Plan(**schedule.model_dump())


def margin_of(margin: Margin) -> TargetMargin:
    values = margin.model_dump()
    return TargetMargin(differentiate=not values.pop("straight_through"), **values)
