"""Who teaches whom: the plain lesson, a teacher reduced to fewer dimensions, and SH-KD.

SH-KD (arXiv 2201.06945): a student is trained alone; its classifier, frozen, becomes that of the
teacher, which is trained again and so shaped to what such a student can express; a fresh student
then learns from this teacher, with the same classifier borrowed, by the loss of TH-KD.
"""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.functional import normalize

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of, train_faces_stage
from embedge.pipeline.stages.learn.learning import (
    School,
    cache_stage,
    cached,
    head_of,
    head_stage,
    margin_of,
    plan_of,
    save_head,
    teacher_of,
    teacher_stage,
)
from embedge.pipeline.stages.learn.students import OWN_HEAD, student_stage
from embedge.train.loop import ranks
from embedge.train.teachers import MappedTeacher, TorchTeacher, save_map, save_teacher
from embedge.train.teachers.making.shape import shaped_map, shaped_network
from embedge.train.teachers.mapped import MAP_FILE, principal_map

__all__ = ["learning_stages", "school_of"]


def school_of(run: Run, recipe: Recipe) -> tuple[School, Stage | None]:
    """Faces, teacher and head; and the original teacher where this one was made from it."""
    faces = train_faces_stage(run, recipe)
    teacher = teacher_stage(run, recipe, faces)
    school = School(faces, teacher, head_stage(run, recipe, faces, teacher))
    dim = recipe.student.dim
    if recipe.student.dims != "pca" or dim is None or dim == head_of(school.head).shape[1]:
        return school, None
    return _reduced(run, school, dim), teacher


def learning_stages(
    run: Run, recipe: Recipe, method: str, school: School, original: Stage | None = None
) -> dict[str, Stage]:
    """All stages up to the student, by the names that the report knows."""
    stages: dict[str, Stage] = {}
    if method == "sh-kd":
        first = student_stage(run, recipe, "scratch", school)
        stages["baseline"] = first
        original = original or school.teacher
        school = _shaped(run, recipe, school, first)
        stages["student"] = student_stage(run, recipe, "th-kd", school)
    else:
        stages["student"] = student_stage(run, recipe, method, school)
        if recipe.distill.baseline and method != "scratch":
            stages["baseline"] = student_stage(run, recipe, "scratch", school)
    if original is not None:
        stages["original-teacher"] = original
    return {"faces": school.faces, "teacher": school.teacher, "head": school.head, **stages}


def _reduced(run: Run, school: School, dim: int) -> School:
    """Teacher and head in the principal directions of the head."""

    def teacher(folder: Path) -> dict[str, Any]:
        directions, held = principal_map(head_of(school.head), dim)
        _same_files(school.teacher, folder)
        save_map(folder, teacher_of(school.teacher), directions)
        run.progress.say(f"  {dim} directions hold {held:.1%} of the head")
        return {**school.teacher.facts, "curves": {}, "held": held}

    reduced = run.stage("teacher-reduced", {"dim": dim}, [school.teacher, school.head], teacher)

    def head(folder: Path) -> dict[str, Any]:
        known = teacher_of(reduced)
        assert isinstance(known, MappedTeacher)
        save_head(folder, normalize(head_of(school.head) @ known.matrix.T))
        return {**school.head.facts, "reduced": dim}

    return School(school.faces, reduced, run.stage("head-reduced", {}, [reduced], head))


def _shaped(run: Run, recipe: Recipe, school: School, first: Stage) -> School:
    """The teacher that speaks through the first student's classifier."""
    work = {"network": _shaping_network, "map": _shaping_map}[recipe.distill.shape]
    cache = None
    if recipe.distill.shape == "map":
        flip = recipe.data.flip or "recovered" in school.head.facts
        cache = cache_stage(run, recipe, school.faces, school.teacher, flip=flip)
    inputs = {
        "shape": recipe.distill.shape,
        "shaping": recipe.distill.shaping.model_dump(mode="json"),
        "margin": recipe.distill.margin.model_dump(mode="json"),
        "seed": recipe.seed,
        "flip": recipe.data.flip,
    }
    after = [school.faces, school.teacher, first, *([cache] if cache else [])]
    shaping = work(run, recipe, school, first, cache)
    teacher = run.stage("teacher-shaped", inputs, after, shaping, together=True)

    def head(folder: Path) -> dict[str, Any]:
        rows = normalize(head_of(first, OWN_HEAD))
        save_head(folder, rows)
        return {"source": "the first student's own classifier", "classes": len(rows)}

    return School(school.faces, teacher, run.stage("head-shaped", {}, [first], head))


def _shaping_network(
    run: Run, recipe: Recipe, school: School, first: Stage, cache: Stage | None
) -> Callable[[Path], dict[str, Any]]:
    def work(folder: Path) -> dict[str, Any]:
        teacher, head = teacher_of(school.teacher), normalize(head_of(first, OWN_HEAD))
        if not isinstance(teacher, TorchTeacher) or teacher.dim != head.shape[1]:
            raise EmbedgeError(
                "E-TEACHER-FROZEN",
                f"this teacher ({teacher.kind}, {teacher.dim}-d) cannot be trained again to a head"
                f" of {head.shape[1]} dimensions",
                remedy="Set distill.shape to map: a linear map behind it is trained instead",
            )
        network: nn.Module = copy.deepcopy(teacher.network)
        faces = faces_of(school.faces)
        curves = shaped_network(
            network,
            head,
            faces,
            plan_of(recipe.distill.shaping),
            margin_of(recipe.distill.margin),
            seed=recipe.seed,
            flip=recipe.data.flip,
            folder=folder,
            progress=run.progress,
        )
        facts = {**teacher.facts, "identities": list(faces.identities), "shaped": True}
        if ranks.rank() == 0:
            save_teacher(folder / "teacher.safetensors", network, head, facts)
        return {"curves": curves}

    return work


def _shaping_map(
    run: Run, recipe: Recipe, school: School, first: Stage, cache: Stage | None
) -> Callable[[Path], dict[str, Any]]:
    def work(folder: Path) -> dict[str, Any]:
        assert cache is not None
        if (school.teacher.folder / MAP_FILE).is_file():
            raise EmbedgeError(
                "E-TEACHER-FROZEN",
                "this teacher was reduced by a map already",
                remedy="Leave student.dims at same: the shaping map changes the dimension itself",
            )
        matrix, curves = shaped_map(
            cached(cache),
            normalize(head_of(first, OWN_HEAD)),
            faces_of(school.faces).labels,
            plan_of(recipe.distill.shaping),
            margin_of(recipe.distill.margin),
            seed=recipe.seed,
            folder=folder,
            progress=run.progress,
        )
        if ranks.rank() == 0:
            _same_files(school.teacher, folder)
            save_map(folder, teacher_of(school.teacher), matrix)
        return {**school.teacher.facts, "curves": curves}

    return work


def _same_files(teacher: Stage, folder: Path) -> None:
    for path in teacher.folder.glob("teacher.*"):
        if path.suffix in (".safetensors", ".onnx"):
            shutil.copyfile(path, folder / path.name)
