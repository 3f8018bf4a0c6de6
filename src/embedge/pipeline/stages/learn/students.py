"""The student stages: one per method, whatever it takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage
from embedge.pipeline.stages.learn.learning import (
    School,
    cached,
    head_of,
    margin_of,
    plan_of,
    save_head,
    school_cache,
)
from embedge.pipeline.stages.learn.start import begun, start_stage
from embedge.pipeline.stages.learn.watching import verification_sets, watch_of
from embedge.train.distil import Lesson, train_student
from embedge.train.loop import ranks
from embedge.train.loop.checkpoint import save_network
from embedge.train.methods import METHODS, Ingredients
from embedge.train.models import MobileFaceNet, mobilefacenet
from embedge.train.seeds import seeded

__all__ = ["OWN_HEAD", "Teaching", "load_student", "shares_space", "student_stage"]

OWN_HEAD = "own-head"


def student_stage(run: Run, recipe: Recipe, method: str, school: School) -> Stage:
    """Train the student by `method`; the result is its weights, and the head of its own if any."""
    teaching = Teaching.of(run, recipe, method, school)
    plan, after = teaching.plan, list(teaching.stages)
    watched = held_out_stage(run, recipe) if recipe.student.train.evaluate_every else None
    after += [watched, school.teacher] if watched else []
    start = start_stage(run, recipe, school, plan.dim) if plan.taught else None
    after += [start] if start else []
    inputs, sets = plan.inputs(recipe), verification_sets(recipe)
    if sets:
        inputs["verification"] = {one.name: one.fingerprint for one in sets}

    def work(folder: Path) -> dict[str, Any]:
        network = begun(_new_student(recipe, plan.dim), start)
        curves, head = train_student(
            f"student ({method})",
            network,
            teaching.lesson(),
            plan_of(recipe.student.train),
            seed=recipe.seed,
            folder=folder,
            progress=run.progress,
            watch=watch_of(run, recipe, school, watched, sets, shares=plan.shares),
        )
        if ranks.rank() == 0:
            save_network(folder / "student.safetensors", network)
            if head is not None:
                save_head(folder, head, OWN_HEAD)
        looks = curves.pop("watch", None)
        return {"curves": curves, "watch": looks, "dim": plan.dim, "shares_space": plan.shares}

    return run.stage(f"student-{method}", inputs, after, work, together=True)


@dataclass(frozen=True, slots=True)
class Teaching:
    """A method with all it needs: its plan, and the stages it is taught from."""

    plan: "_Plan"
    school: School
    cache: Stage | None
    flip: bool
    inputs: dict[str, Any]

    @classmethod
    def of(cls, run: Run, recipe: Recipe, method: str, school: School) -> "Teaching":
        plan, cache = _Plan.of(recipe, method, school), None
        if plan.needs_teacher:
            cache = school_cache(run, recipe, school)
        return cls(plan, school, cache, recipe.data.flip, plan.inputs(recipe))

    @property
    def stages(self) -> list[Stage]:
        head = [self.school.head] if self.plan.borrows else []
        return [self.school.faces, *head, *([self.cache] if self.cache else [])]

    def lesson(self) -> Lesson:
        return Lesson(
            self.plan.method,
            self.plan.ingredients,
            faces_of(self.school.faces),
            cached(self.cache) if self.cache else None,
            self.flip,
            self.plan.lift_from,
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a method makes of the recipe, decided before anything is trained."""

    method: str
    ingredients: Ingredients
    dim: int
    lift_from: int | None

    @classmethod
    def of(cls, recipe: Recipe, method: str, school: School) -> "_Plan":
        shared, distill = head_of(school.head), recipe.distill
        dim = recipe.student.dim or shared.shape[1]
        borrows = METHODS[method].borrows
        lifted = borrows and dim != shared.shape[1]
        if lifted and recipe.student.dims != "projection":
            raise EmbedgeError(
                "E-DIMS",
                f"the student shall have {dim} dimensions, its teacher has {shared.shape[1]}",
                remedy="Set student.dims to pca or projection, or leave student.dim out",
            )
        numbers = {name: getattr(distill, name) for name in METHODS[method].settings}
        ingredients = Ingredients(
            classes=len(shared),
            dim=shared.shape[1] if borrows else dim,
            head=shared,
            margin=margin_of(distill.margin),
            **numbers,
        )
        return cls(method, ingredients, dim, dim if lifted else None)

    @property
    def borrows(self) -> bool:
        return METHODS[self.method].borrows

    @property
    def needs_teacher(self) -> bool:
        return METHODS[self.method](self.ingredients).needs_teacher

    @property
    def taught(self) -> bool:
        """Whether anything of the teacher's goes into the student: not so from scratch."""
        return self.borrows or self.needs_teacher

    @property
    def shares(self) -> bool:
        return METHODS[self.method].shares_space and self.lift_from is None

    def inputs(self, recipe: Recipe) -> dict[str, Any]:
        """Only what this method depends on, so that nothing else trains it again."""
        distill = recipe.distill.model_dump(mode="json")
        return {
            "student": recipe.student.model_dump(mode="json"),
            "settings": {name: distill[name] for name in METHODS[self.method].settings},
            "margin": distill["margin"],
            "seed": recipe.seed,
            "flip": recipe.data.flip,
            "classes": self.ingredients.classes,
            "dim": self.dim,
        }


def shares_space(student: Stage) -> bool:
    """Whether this student's embeddings can be compared with its teacher's."""
    return bool(student.facts["shares_space"])


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
