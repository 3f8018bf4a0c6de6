"""The teacher: the one in the package, one from a file, or one trained here."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, whole_file
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage, Training
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.train.data import FaceDataset
from embedge.train.data.dataset import SIDE
from embedge.train.data.sources.joined import JoinedFaces
from embedge.train.data.splits import Subset
from embedge.train.loop.curves import Curves
from embedge.train.loop.schedule import Schedule
from embedge.train.teachers import SHIPPED, OnnxTeacher, Teacher, open_teacher, save_teacher
from embedge.train.teachers.arcface_torch import head_from_shards, network_from_checkpoint
from embedge.train.teachers.making.teaching import train_teacher
from embedge.train.teachers.onnx_teacher import confirm_preprocessing
from embedge.train.teachers.zoo import PREFIX, zoo_file

__all__ = ["LOOKED_AT", "TeacherFacts", "classes_of", "some_people", "teacher_of", "teacher_stage"]

LOOKED_AT = 256


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    curves: Curves = field(default_factory=dict)
    preprocessing: str | None = None
    confirmed: dict[str, float] | None = None
    """of every preprocessing that was tried, the equal error rate"""
    held: float | None = None
    """the share of the head that a reduced teacher keeps"""


def teacher_stage(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    """Train a teacher, take the one in the package, or bring one from a file."""
    match recipe.teacher.source:
        case "shipped":
            return _shipped(run)
        case "file":
            return _teacher_from_file(run, recipe, faces)
    return _trained_teacher(run, recipe, faces)


def teacher_of(stage: Stage) -> Teacher:
    return open_teacher(stage.folder, stage.read(TeacherFacts).preprocessing)


def classes_of(faces: FaceDataset) -> int:
    """Of the whole data set: a classifier knows those too who are held out here, and nobody of
    what was added beside it."""
    if isinstance(faces, JoinedFaces):
        return classes_of(faces.parts[0])
    return faces.whole.classes if isinstance(faces, Subset) else faces.classes


def some_people(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """About `count` pictures, of people who have several."""
    several = np.flatnonzero(np.bincount(labels) > 1)
    return np.flatnonzero(np.isin(labels, several))[:count]


def _shipped(run: Run) -> Stage:
    def work(folder: Path) -> TeacherFacts:
        return _copied(SHIPPED, folder)

    return run.stage("teacher", {"digest": sha256_file(SHIPPED)}, [], work, stand_in=work)


def _trained_teacher(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    wanted = recipe.teacher

    def train(folder: Path, schedule: Schedule) -> TeacherFacts:
        curves = train_teacher(
            faces_of(faces),
            schedule,
            wanted.margin,
            depth=wanted.depth,
            channels=wanted.channels,
            dim=wanted.dim,
            seed=recipe.seed,
            out=folder / "teacher.safetensors",
            progress=run.progress,
            flip=recipe.data.flip,
            weights=recipe.distill,
        )
        return TeacherFacts(curves)

    foreign = {"source", "file", "head_shards", "preprocessing", "probe_steps"}
    foreign |= {"device", "amp", "batch"}
    inputs = {"teacher": wanted.model_dump(mode="json", exclude=foreign), "seed": recipe.seed}
    inputs |= {"flip": True} if recipe.data.flip else {}
    half = recipe.distill.head_dtype
    inputs |= {} if half == "fp32" else {"head_dtype": half}
    return run.stage(
        "teacher",
        inputs,
        [faces],
        lambda folder: train(folder, wanted.train),
        together=True,
        stand_in=lambda folder: train(folder, wanted.train.trial(0)),
        training=Training(wanted.train.over(faces.facts["images"]), train),
    )


def _teacher_from_file(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    wanted = recipe.teacher
    path, shards = _teacher_file(wanted.file), [Path(shard) for shard in wanted.head_shards]
    inputs = {
        "file": _digest(path, "teacher.file"),
        "shards": [_digest(shard, "teacher.head_shards") for shard in shards],
        "preprocessing": wanted.preprocessing,
    }

    def work(folder: Path) -> TeacherFacts:
        if path.suffix == ".onnx":
            return _taken_onnx(path, folder, wanted.preprocessing, faces_of(faces))
        if path.suffix == ".safetensors":
            open_teacher(path)
            return _copied(path, folder)
        network, facts = network_from_checkpoint(path)
        head = head_from_shards(shards, classes_of(faces_of(faces))) if shards else None
        save_teacher(folder / "teacher.safetensors", network, head, facts)
        return TeacherFacts()

    after = [faces] if path.suffix == ".onnx" or shards else []
    return run.stage("teacher", inputs, after, work, stand_in=work)


def _teacher_file(named: str | None) -> Path:
    if named is None:
        raise EmbedgeError(
            "E-TEACHER",
            "teacher.source is file, and no teacher.file is given",
            remedy="Give --teacher.file with an .onnx, .pt, .pth, .safetensors or insightface:PACK",
        )
    return zoo_file(named.removeprefix(PREFIX)) if named.startswith(PREFIX) else Path(named)


def _digest(path: Path, key: str) -> str:
    if not path.is_file():
        raise EmbedgeError(
            "E-TEACHER", "there is no such file", where=path, remedy=f"Check `{key}`"
        )
    return sha256_file(path)


def _taken_onnx(
    path: Path, folder: Path, preprocessing: str | None, faces: FaceDataset
) -> TeacherFacts:
    """Copy it, once faces have confirmed how it wants to be fed."""
    teacher = OnnxTeacher(path, preprocessing)
    if (size := teacher.contract.size) != SIDE:
        raise EmbedgeError(
            "E-TEACHER",
            f"this network takes faces of {size}x{size}, a training shows {SIDE}x{SIDE}",
            where=path,
            remedy=f"Give a teacher of {SIDE}x{SIDE} faces; embedge bundle ships this one as it is",
        )
    some = some_people(faces.labels, LOOKED_AT)
    rates = confirm_preprocessing(teacher, np.asarray(faces.images[some]), faces.labels[some])
    _copied(path, folder)
    return TeacherFacts(preprocessing=teacher.preprocessing, confirmed=rates)


def _copied(path: Path, folder: Path) -> TeacherFacts:
    with whole_file(folder / f"teacher{path.suffix}") as part:
        shutil.copyfile(path, part)
    return TeacherFacts()
