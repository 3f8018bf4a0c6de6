"""Who teaches whom: the plain lesson, a teacher reduced to fewer dimensions, and SH-KD.

SH-KD (arXiv 2201.06945): a student is trained alone; its classifier, frozen, becomes that of the
teacher, which is trained again and so shaped to what such a student can express; a fresh student
then learns from this teacher, with the same classifier borrowed, by the loss of TH-KD.
"""

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage, Training
from embedge.pipeline.stages.learn.cache import cached
from embedge.pipeline.stages.learn.faces import faces_of, train_faces_stage
from embedge.pipeline.stages.learn.head import (
    HeadFacts,
    School,
    head_of,
    head_stage,
    save_any_head,
    save_head,
    school_cache,
)
from embedge.pipeline.stages.learn.students import (
    OWN_HEAD,
    StudentFacts,
    load_student,
    student_stage,
)
from embedge.pipeline.stages.learn.teacher import TeacherFacts, teacher_of, teacher_stage
from embedge.runtime.bridge import read_bridge, write_bridge
from embedge.train.data import FaceDataset
from embedge.train.data.splits import Subset
from embedge.train.embed import embed_faces
from embedge.train.loop import ranks
from embedge.train.loop.curves import Curves
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import Ingredients
from embedge.train.teachers import (
    MappedTeacher,
    TorchTeacher,
    open_teacher,
    save_map,
    save_teacher,
)
from embedge.train.teachers.making.shape import shaped_map, shaped_network
from embedge.train.teachers.mapped import MAP_FILE, principal_map

__all__ = ["learning_stages", "school_of"]

_LOOKED_AT = 2048


def school_of(run: Run, recipe: Recipe, methods: Sequence[str] = ()) -> tuple[School, Stage | None]:
    """Faces, teacher and head; and the original teacher where this one was made from it. It is for
    the method of the recipe, unless `methods` are taught."""
    if recipe.data.labels == "none" and recipe.distill.method == "sh-kd":
        raise EmbedgeError(
            "E-RECIPE-KEY",
            "distill.method sh-kd shapes the teacher to people, and data.labels is none",
            remedy="Choose th-kd, proxyless or l2e, or give the people their names",
        )
    faces = train_faces_stage(run, recipe)
    own = teacher_stage(run, recipe, faces)
    teacher = _bridged(run, recipe, own) if recipe.distill.bridge else own
    school = School(faces, teacher, head_stage(run, recipe, faces, teacher, methods))
    dim = recipe.student.dim
    if recipe.student.dims != "pca" or dim is None or dim == head_of(school.head).shape[1]:
        return school, own if teacher is not own else None
    return _reduced(run, school, dim), teacher


def learning_stages(
    run: Run, recipe: Recipe, method: str, school: School, original: Stage | None = None
) -> dict[str, Stage]:
    """All stages up to the student, by the names that the report knows."""
    stages: dict[str, Stage] = {}
    if method == "sh-kd":
        first = student_stage(run, recipe.of_first(), recipe.distill.first, school)
        stages["baseline"] = first
        original = original or school.teacher
        school = _shaped(run, recipe, school, first)
        stages["student"] = student_stage(run, recipe, "th-kd", school)
    else:
        stages["student"] = student_stage(run, recipe, method, school)
        if recipe.distill.baseline and method != "scratch":
            stages["baseline"] = student_stage(run, recipe.of_baseline(), "scratch", school)
    if original is not None:
        stages["original-teacher"] = original
    return {"faces": school.faces, "teacher": school.teacher, "head": school.head, **stages}


def _bridged(run: Run, recipe: Recipe, teacher: Stage) -> Stage:
    """The teacher as a network of the bridge's other end would have answered."""
    path = Path(recipe.distill.bridge or "")
    bridge = read_bridge(path)
    if recipe.student.dims == "pca" or (
        recipe.distill.method == "sh-kd" and recipe.distill.shape != "network"
    ):
        raise EmbedgeError(
            "E-TEACHER-FROZEN",
            "a teacher that is seen through a bridge is not mapped a second time",
            where=path,
            remedy="Leave student.dims and distill.shape as they are without distill.bridge",
        )

    def work(folder: Path) -> TeacherFacts:
        _same_files(teacher, folder)
        write_bridge(folder / MAP_FILE, bridge)
        facts = teacher.read(TeacherFacts)
        open_teacher(folder, facts.preprocessing)  # refuses a bridge of another network
        return replace(facts, curves={})

    inputs = {"bridge": bridge.digest}
    return run.stage("teacher-bridged", inputs, [teacher], work, stand_in=work)


def _reduced(run: Run, school: School, dim: int) -> School:
    """Teacher and head in the principal directions of the head."""

    def teacher(folder: Path) -> TeacherFacts:
        directions, held = principal_map(head_of(school.head), dim)
        _same_files(school.teacher, folder)
        save_map(folder, teacher_of(school.teacher), directions)
        run.progress.say(f"  {dim} directions hold {held:.1%} of the head")
        return replace(school.teacher.read(TeacherFacts), curves={}, held=held)

    after = [school.teacher, school.head]
    reduced = run.stage("teacher-reduced", {"dim": dim}, after, teacher, stand_in=teacher)

    def head(folder: Path) -> HeadFacts:
        known = teacher_of(reduced)
        assert isinstance(known, MappedTeacher)
        save_head(folder, normalize(head_of(school.head) @ known.matrix.T))
        return replace(school.head.read(HeadFacts), reduced=dim)

    return School(
        school.faces, reduced, run.stage("head-reduced", {}, [reduced], head, stand_in=head)
    )


def _shaped(run: Run, recipe: Recipe, school: School, first: Stage) -> School:
    """The teacher that speaks through the first student's classifier."""
    wanted, mapped = recipe.distill, _by_map(recipe, school, first)
    inputs = {
        "shape": "map" if mapped else "network",
        "shaping": recipe.shaping.model_dump(mode="json"),
        "margin": wanted.margin.model_dump(mode="json"),
        "seed": recipe.seed,
        "flip": recipe.data.flip,
        **({} if wanted.head_dtype == "fp32" else {"head_dtype": wanted.head_dtype}),
    }
    after, training = [school.faces, school.teacher, first], None
    if mapped:
        cache = school_cache(run, recipe, school)
        after, work = [*after, cache], _shaping_map(run, recipe, school, first, cache)
    else:
        work = _shaping_network(run, recipe, school, first)
        training = _trial_shaping(run, recipe, school)
    teacher = run.stage("teacher-shaped", inputs, after, work, together=True, training=training)

    def head(folder: Path) -> HeadFacts:
        rows = normalize(head_of(first, OWN_HEAD))
        save_head(folder, rows)
        names = _named(run, recipe, school, first, teacher, rows)
        told = ", ".join(f"{share:.1%} ({who})" for who, share in names.items())
        run.progress.say(f"  of pictures learnt from, the shared head names {told}")
        return HeadFacts("the first student's own classifier", len(rows), names=names)

    def any_head(folder: Path) -> HeadFacts:
        return save_any_head(folder, len(head_of(school.head)), first.read(StudentFacts).dim)

    after = [school.faces, school.teacher, first, teacher]
    shaped = run.stage("head-shaped", {}, after, head, stand_in=any_head)
    return School(school.faces, teacher, shaped)


def _named(
    run: Run, recipe: Recipe, school: School, first: Stage, shaped: Stage, rows: Tensor
) -> dict[str, float]:
    """Of some pictures, the share whose person is the head's nearest row: is it worth sharing?"""
    faces = faces_of(school.faces)
    some = np.random.default_rng((recipe.data.seed, 5)).permutation(len(faces))[:_LOOKED_AT]
    looked_at = Subset(faces, np.sort(some), "looked at")
    labels, what = torch.from_numpy(faces.labels[looked_at.rows]), "the shared head"

    def share(embeddings: NDArray[np.float32]) -> float:
        nearest = (normalize(torch.from_numpy(embeddings)) @ rows.T).argmax(1)
        return float((nearest == labels).float().mean())

    found = {}
    student = load_student(recipe, first)
    found["first student"] = share(
        embed_faces(student, looked_at, what=what, progress=run.progress)
    )
    for who, stage in (("teacher before", school.teacher), ("teacher shaped", shaped)):
        known = teacher_of(stage)
        if known.dim == rows.shape[1]:
            found[who] = share(known.embed(looked_at, what=what, progress=run.progress))
    return found


def _by_map(recipe: Recipe, school: School, first: Stage) -> bool:
    if recipe.distill.shape != "auto":
        return recipe.distill.shape == "map"
    dim = first.read(StudentFacts).dim
    return not (recipe.teacher.opens and dim == head_of(school.head).shape[1])


def _shaping_network(
    run: Run, recipe: Recipe, school: School, first: Stage
) -> Callable[[Path], TeacherFacts]:
    def work(folder: Path) -> TeacherFacts:
        teacher, head = teacher_of(school.teacher), normalize(head_of(first, OWN_HEAD))
        if not isinstance(teacher, TorchTeacher) or teacher.dim != head.shape[1]:
            raise EmbedgeError(
                "E-TEACHER-FROZEN",
                f"this teacher ({teacher.kind}, {teacher.dim}-d) cannot be trained again to a head"
                f" of {head.shape[1]} dimensions",
                remedy="Set distill.shape to map: a linear map behind it is trained instead",
            )
        network: nn.Module = copy.deepcopy(teacher.network)
        faces, shaping = faces_of(school.faces), recipe.shaping
        curves = _reshaped(run, recipe, network, head, faces, shaping, folder)
        facts = {**teacher.facts, "identities": list(faces.identities), "shaped": True}
        if ranks.rank() == 0:
            save_teacher(folder / "teacher.safetensors", network, head, facts)
        return TeacherFacts(curves)

    return work


def _reshaped(
    run: Run,
    recipe: Recipe,
    network: nn.Module,
    head: Tensor,
    faces: FaceDataset,
    schedule: Schedule,
    folder: Path,
) -> Curves:
    return shaped_network(
        network,
        _frozen(recipe, head),
        faces,
        schedule,
        seed=recipe.seed,
        flip=recipe.data.flip,
        folder=folder,
        progress=run.progress,
    )


def _frozen(recipe: Recipe, head: Tensor) -> Ingredients:
    return Ingredients.of_frozen_head(head, recipe.distill.margin, recipe.distill)


def _trial_shaping(run: Run, recipe: Recipe, school: School) -> Training:
    """For the clock any head will do; a teacher that cannot be shaped is told by the stage."""

    def trial(folder: Path, schedule: Schedule) -> None:
        teacher, faces = teacher_of(school.teacher), faces_of(school.faces)
        if isinstance(teacher, TorchTeacher):
            network, head = copy.deepcopy(teacher.network), torch.eye(teacher.dim)
            head = head[torch.arange(faces.classes) % teacher.dim]
            _reshaped(run, recipe, network, head, faces, schedule, folder)

    return Training(recipe.shaping.over(school.faces.facts["images"]), trial)


def _shaping_map(
    run: Run, recipe: Recipe, school: School, first: Stage, cache: Stage
) -> Callable[[Path], TeacherFacts]:
    def work(folder: Path) -> TeacherFacts:
        if (school.teacher.folder / MAP_FILE).is_file():
            raise EmbedgeError(
                "E-TEACHER-FROZEN",
                "this teacher was reduced by a map already",
                remedy="Leave student.dims at same: the shaping map changes the dimension itself",
            )
        matrix, curves = shaped_map(
            cached(cache),
            _frozen(recipe, normalize(head_of(first, OWN_HEAD))),
            faces_of(school.faces).labels,
            recipe.shaping,
            seed=recipe.seed,
            folder=folder,
            progress=run.progress,
        )
        if ranks.rank() == 0:
            _same_files(school.teacher, folder)
            save_map(folder, teacher_of(school.teacher), matrix)
        return replace(school.teacher.read(TeacherFacts), curves=curves)

    return work


def _same_files(teacher: Stage, folder: Path) -> None:
    for path in teacher.folder.glob("teacher.*"):
        if path.suffix in (".safetensors", ".onnx"):
            shutil.copyfile(path, folder / path.name)
