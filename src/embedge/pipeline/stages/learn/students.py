"""The student stages: one per method, whatever it takes."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from embedge.calibration.people.splits import RULES
from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage, Training
from embedge.pipeline.stages.learn.cache import cached
from embedge.pipeline.stages.learn.checks import checks_of, verification_sets
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.head import (
    HeadFacts,
    School,
    head_of,
    lesson_faces,
    save_head,
    school_cache,
)
from embedge.pipeline.stages.learn.start import begun, start_stage
from embedge.train.distil import Lesson, train_student
from embedge.train.loop import ranks
from embedge.train.loop.checkpoint import save_network
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.curves import Curves
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import METHODS, Ingredients
from embedge.train.models.tail import Tailed
from embedge.train.seeds import seeded

__all__ = ["OWN_HEAD", "StudentFacts", "Teaching", "load_student", "shares_space", "student_stage"]

OWN_HEAD = "own-head"


@dataclass(frozen=True, slots=True)
class StudentFacts:
    dim: int
    shares_space: bool
    """whether its embeddings can be compared with its teacher's"""
    curves: Curves = field(default_factory=dict)
    watch: Curves | None = None
    """the evaluations while it learnt"""


def student_stage(run: Run, recipe: Recipe, method: str, school: School) -> Stage:
    """Train the student by `method`; the result is its weights, and the head of its own if any."""
    teaching = Teaching.of(run, recipe, method, school)
    dim, shares, after = teaching.dim, teaching.shares, list(teaching.stages)
    strangers = held_out_stage(run, recipe) if recipe.student.train.evaluate_every else None
    after += [strangers, school.teacher] if strangers else []
    start = start_stage(run, recipe, school, dim) if teaching.taught else None
    after += [start] if start else []
    inputs, sets = dict(teaching.inputs), verification_sets(recipe)
    if strangers:
        inputs["split"] = RULES
    if sets:
        inputs["verification"] = {one.name: one.fingerprint for one in sets}

    def train(
        folder: Path,
        schedule: Schedule,
        network: Tailed,
        checks: TrainingChecks | None = None,
    ) -> tuple[Curves, Tensor | None]:
        return train_student(
            f"student ({method})",
            network,
            teaching.lesson(),
            schedule,
            seed=recipe.seed,
            folder=folder,
            progress=run.progress,
            checks=checks,
        )

    def work(folder: Path) -> StudentFacts:
        network = begun(_new_student(recipe, dim), start)
        checks = checks_of(run, recipe, school, strangers, sets, shares=shares)
        curves, head = train(folder, recipe.student.train, network, checks)
        if ranks.rank() == 0:
            save_network(folder / "student.safetensors", network)
            if head is not None:
                save_head(folder, head, OWN_HEAD)
        looks = curves.pop("watch", None)
        return StudentFacts(dim, shares, curves, looks)

    return run.stage(
        f"student-{method}",
        inputs,
        after,
        work,
        together=True,
        stand_in=lambda _: StudentFacts(dim, shares),
        training=Training(
            recipe.student.train.over(school.faces.facts["images"]),
            lambda folder, schedule: train(folder, schedule, _new_student(recipe, dim)),
        ),
    )


@dataclass(frozen=True, slots=True)
class Teaching:
    """A method with all it needs, decided before anything is trained."""

    method: str
    ingredients: Ingredients
    dim: int
    lift_from: int | None
    school: School
    cache: Stage | None
    flip: bool
    inputs: dict[str, Any]
    """only what this method depends on, so that nothing else trains it again"""

    @classmethod
    def of(cls, run: Run, recipe: Recipe, method: str, school: School) -> "Teaching":
        kind, shared = METHODS[method], head_of(school.head)
        dim = recipe.student.dim or shared.shape[1]
        lifted = kind.borrows and dim != shared.shape[1]
        if lifted and recipe.student.dims != "projection":
            raise EmbedgeError(
                "E-DIMS",
                f"student.dim is {dim} but the teacher's embeddings have {shared.shape[1]}",
                remedy="Set student.dims to pca or projection, or leave student.dim out",
            )
        classes = school.head.read(HeadFacts).classes
        ingredients = Ingredients(
            classes=classes,
            dim=shared.shape[1] if kind.borrows else dim,
            head=shared,
            margin=recipe.distill.margin,
            weights=recipe.distill,
        )
        asks = kind(ingredients).needs_teacher
        return cls(
            method,
            ingredients,
            dim,
            dim if lifted else None,
            school,
            school_cache(run, recipe, school) if asks else None,
            recipe.data.flip,
            _inputs(recipe, method, classes, dim),
        )

    @property
    def shares(self) -> bool:
        return METHODS[self.method].shares_space and self.lift_from is None

    @property
    def taught(self) -> bool:
        """Whether anything of the teacher's goes into the student: not so from scratch."""
        return METHODS[self.method].borrows or self.cache is not None

    @property
    def stages(self) -> list[Stage]:
        nameless = lesson_faces(self.school)[1] is not None
        head = [self.school.head] if METHODS[self.method].borrows or nameless else []
        return [self.school.faces, *head, *([self.cache] if self.cache else [])]

    def lesson(self) -> Lesson:
        faces, rows = lesson_faces(self.school)
        return Lesson(
            self.method,
            self.ingredients,
            faces,
            replace(cached(self.cache), rows=rows) if self.cache else None,
            self.flip,
            self.lift_from,
        )


def _inputs(recipe: Recipe, method: str, classes: int, dim: int) -> dict[str, Any]:
    distill = recipe.distill.model_dump(mode="json")
    return {
        "student": recipe.student.model_dump(mode="json"),
        "settings": {name: distill[name] for name in METHODS[method].settings},
        "margin": distill["margin"],
        "seed": recipe.seed,
        "flip": recipe.data.flip,
        "classes": classes,
        "dim": dim,
    }


def shares_space(student: Stage) -> bool:
    """Whether this student's embeddings can be compared with its teacher's."""
    return student.read(StudentFacts).shares_space


def load_student(recipe: Recipe, stage: Stage) -> Tailed:
    """As it is used: what learnt as several layers is one."""
    network = _new_student(recipe, stage.read(StudentFacts).dim)
    stage.opened("student.safetensors", lambda path: network.load_state_dict(load_file(path)))
    return network.eval().folded()


def _new_student(recipe: Recipe, dim: int) -> Tailed:
    with seeded(recipe.seed):
        return recipe.student.shape.network(dim)
