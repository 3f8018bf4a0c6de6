"""The first stages: faces, teacher, its embeddings, its head, the students."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from embedge.files import whole_file
from embedge.pipeline.stages import Run, Stage
from embedge.recipe import Data, Margin, Recipe, Schedule
from embedge.train.centres import class_centres
from embedge.train.data import FaceSet
from embedge.train.data.rendered import render_face_set, rendered_fingerprint
from embedge.train.distil import CachedTeacher, train_student
from embedge.train.embed import embed_faces
from embedge.train.loop import Plan
from embedge.train.margins import Margin as TargetMargin
from embedge.train.methods import METHODS, Ingredients
from embedge.train.models import MobileFaceNet, mobilefacenet
from embedge.train.seeds import seeded
from embedge.train.teacher import SHIPPED, Teacher, load_teacher
from embedge.train.teaching import train_teacher

__all__ = [
    "cache_stage",
    "head_stage",
    "held_out_stage",
    "load_student",
    "student_stage",
    "teacher_of",
    "teacher_stage",
    "train_faces_stage",
]

# far from any identity that a teacher was trained on
_FIRST_HELD_OUT = 1_000_000_000


def train_faces_stage(run: Run, recipe: Recipe) -> Stage:
    data = recipe.data
    return _faces_stage(run, "faces", data, 0, data.identities, data.per_identity)


def held_out_stage(run: Run, recipe: Recipe) -> Stage:
    data = recipe.data
    return _faces_stage(
        run, "held-out", data, _FIRST_HELD_OUT, data.held_out, data.held_out_per_identity
    )


def _faces_stage(run: Run, name: str, data: Data, first: int, people: int, each: int) -> Stage:
    numbers = {"seed": data.seed, "first": first, "identities": people, "per_identity": each}

    def work(folder: Path) -> dict[str, Any]:
        faces = render_face_set(f"rendered {name}", folder, progress=run.progress, **numbers)
        return {"images": len(faces), "identities": faces.classes}

    return run.stage(name, {"fingerprint": rendered_fingerprint(**numbers)}, [], work)


def teacher_stage(run: Run, recipe: Recipe, faces: Stage) -> Stage:
    """Train a teacher, or take the one in the package."""
    wanted = recipe.teacher
    if wanted.source == "shipped":
        return run.stage("teacher", {"digest": load_teacher(SHIPPED).digest}, [], _take_shipped)

    def work(folder: Path) -> dict[str, Any]:
        curves = train_teacher(
            FaceSet.load(faces.folder),
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

    inputs = {"teacher": wanted.model_dump(mode="json"), "seed": recipe.seed}
    return run.stage("teacher", inputs, [faces], work)


def _take_shipped(folder: Path) -> dict[str, Any]:
    with whole_file(folder / "teacher.safetensors") as part:
        shutil.copyfile(SHIPPED, part)
    return {"curves": {}}


def teacher_of(stage: Stage) -> Teacher:
    return load_teacher(stage.folder / "teacher.safetensors")


def cache_stage(run: Run, recipe: Recipe, faces: Stage, teacher: Stage) -> Stage:
    """The teacher's embeddings of every training picture, in half precision."""

    def work(folder: Path) -> dict[str, Any]:
        network, pictures = teacher_of(teacher).network, FaceSet.load(faces.folder)
        sides = {"plain": False, "flipped": True} if recipe.data.flip else {"plain": False}
        for name, flip in sides.items():
            rows = embed_faces(
                network, pictures, what="teacher's view", progress=run.progress, flip=flip
            )
            with whole_file(folder / f"{name}.npy") as part, part.open("wb") as stream:
                np.save(stream, rows.astype(np.float16))
        return {}

    return run.stage("cache", {"flip": recipe.data.flip}, [faces, teacher], work)


def cached(stage: Stage) -> CachedTeacher:
    flipped = stage.folder / "flipped.npy"
    return CachedTeacher(
        np.load(stage.folder / "plain.npy", mmap_mode="r"),
        np.load(flipped, mmap_mode="r") if flipped.is_file() else None,
    )


def head_stage(run: Run, recipe: Recipe, faces: Stage, teacher: Stage) -> Stage:
    """The classifier to share: the teacher's own rows, or recovered class centres."""

    def work(folder: Path) -> dict[str, Any]:
        pictures, known = FaceSet.load(faces.folder), teacher_of(teacher)
        rows = {name: row for row, name in enumerate(known.facts["identities"])}
        if all(name in rows for name in pictures.identities):
            head = known.head[[rows[name] for name in pictures.identities]]
            source = "the teacher's own classifier"
        else:
            cache = cached(cache_stage(run, recipe, faces, teacher))
            head = torch.from_numpy(
                class_centres(
                    np.asarray(cache.plain, np.float32), pictures.labels, pictures.classes
                )
            )
            source = "class centres recovered from the teacher's embeddings"
        with whole_file(folder / "head.safetensors") as part:
            save_file({"head": head.contiguous()}, part)
        return {"source": source, "classes": pictures.classes}

    return run.stage("head", {"trim": 0.1}, [faces, teacher], work)


def student_stage(
    run: Run, recipe: Recipe, method: str, faces: Stage, teacher: Stage, head: Stage
) -> Stage:
    """Train the student by `method`; the result is its weights alone."""
    wanted, distill = recipe.student, recipe.distill
    shared = load_file(head.folder / "head.safetensors")["head"]
    ingredients = Ingredients(
        classes=len(shared),
        dim=shared.shape[1],
        head=shared,
        margin=margin_of(distill.margin),
        a=distill.a,
        alpha=distill.alpha,
        beta=distill.beta,
        temperature=distill.temperature,
    )
    needs_teacher = METHODS[method](ingredients).needs_teacher
    after = [faces, head]
    lookup = None
    if needs_teacher:
        cache = cache_stage(run, recipe, faces, teacher)
        lookup, after = cached(cache), [*after, cache]

    def work(folder: Path) -> dict[str, Any]:
        network = _new_student(recipe, ingredients.dim)
        curves = train_student(
            f"student ({method})",
            network,
            method,
            ingredients,
            FaceSet.load(faces.folder),
            plan_of(wanted.train),
            teacher=lookup,
            seed=recipe.seed,
            flip=recipe.data.flip,
            folder=folder,
            progress=run.progress,
        )
        with whole_file(folder / "student.safetensors") as part:
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, part)
        return {"curves": curves, "dim": ingredients.dim}

    inputs = {
        "student": wanted.model_dump(mode="json"),
        "distill": distill.model_dump(mode="json", exclude={"method", "baseline"}),
        "method": method,
        "seed": recipe.seed,
        "flip": recipe.data.flip,
    }
    return run.stage(f"student-{method}", inputs, after, work)


def load_student(recipe: Recipe, stage: Stage) -> MobileFaceNet:
    network = _new_student(recipe, stage.facts["dim"])
    network.load_state_dict(load_file(stage.folder / "student.safetensors"))
    return network.eval()


def _new_student(recipe: Recipe, dim: int) -> MobileFaceNet:
    wanted = recipe.student
    with seeded(recipe.seed):
        return mobilefacenet(
            dim, scale=wanted.scale, width=wanted.width, activation=wanted.activation
        )


def plan_of(schedule: Schedule) -> Plan:
    return Plan(**schedule.model_dump())


def margin_of(margin: Margin) -> TargetMargin:
    values = margin.model_dump()
    return TargetMargin(differentiate=not values.pop("straight_through"), **values)
