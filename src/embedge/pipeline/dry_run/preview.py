"""What `--dry-run` tells: the data, the teacher and its self-test, a step's cost, every stage."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import EqualError, equal_error
from embedge.pipeline.chain import every_stage
from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.recipe import Recipe, Schedule
from embedge.pipeline.run import Run, Stage, Work, check_recipe
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.learning import School, some_people, teacher_of, teacher_stage
from embedge.pipeline.stages.learn.students import student_stage
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
from embedge.train.data import FaceDataset
from embedge.train.teachers import Teacher

__all__ = ["preview_of", "student_step_seconds"]

_LOOKED_AT = 128
_STEPS = 3


def preview_of(folder: Path, recipe: Recipe, *, update: bool) -> str:
    """The text. Nothing is written but in a temporary folder, which is gone afterwards."""
    if not update:
        check_recipe(folder, recipe.to_json())
    with TemporaryDirectory(prefix="embedge-dry-run-") as name:
        run = Rehearsal(folder, Progress(quiet=True), recipe=recipe, scratch=Path(name))
        every_stage(run, recipe)
        return _told(run, recipe, Path(name) / "steps")


def _told(run: Rehearsal, recipe: Recipe, folder: Path) -> str:
    faces = faces_of(run.foreseen["faces"].stage)
    teacher = _TeacherTest.of(recipe, teacher_of(run.foreseen["teacher"].stage), faces)
    costs = _Costs.measured(recipe, run, folder)
    seconds = {name: _seconds(name, run, recipe, teacher, costs) for name in run.foreseen}
    lines = [
        f"data      {faces.name}: {len(faces):,} pictures of {faces.classes:,} people to learn"
        f" from, {recipe.data.held_out} others to be judged on",
        f"teacher   {teacher.text()}",
        f"step      {costs.text(recipe)}",
        "stages",
    ]
    for name, foreseen in run.foreseen.items():
        expected = seconds[name]
        about = f"about {_spoken(expected)}" if expected else ""
        lines.append(f"  {name:<18} {foreseen.state:<8} {about}".rstrip())
    total = sum(value for value in seconds.values() if value)
    lines.append(f"trainings and teacher together about {_spoken(total)}; nothing was written")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _TeacherTest:
    """How a teacher did on some faces of the data set, and how fast it was."""

    teacher: Teacher
    trained: bool
    faces_a_second: float
    pictures: int
    rate: float | None

    @classmethod
    def of(cls, recipe: Recipe, teacher: Teacher, faces: FaceDataset) -> "_TeacherTest":
        some = some_people(faces.labels, _LOOKED_AT)
        images = np.asarray(faces.images[some])
        began = time.perf_counter()
        rows = teacher.features(images)
        speed = len(images) / (time.perf_counter() - began)
        found = equal_error(pairs_within(unit_rows(rows), faces.labels[some]))
        rate = found.rate if isinstance(found, EqualError) else None
        return cls(teacher, recipe.teacher.source != "train", speed, len(images), rate)

    def text(self) -> str:
        size = f"{self.teacher.cost()['parameters'] / 1e6:.2f} M parameters, {self.teacher.dim}-d"
        pace = f"{self.faces_a_second:.0f} faces/s"
        if not self.trained:
            return f"to be trained: {size}, {pace}"
        rate = "unknown" if self.rate is None else f"{self.rate:.1%}"
        return (
            f"{self.teacher.kind}, {size}, {pace}; self-test on {self.pictures} of the faces:"
            f" equal error rate {rate}"
        )


@dataclass(frozen=True, slots=True)
class _Costs:
    """Seconds of one step of a student and of a teacher that is to be trained."""

    student: float
    teacher: float | None
    gigabytes: float

    @classmethod
    def measured(cls, recipe: Recipe, run: Rehearsal, folder: Path) -> "_Costs":
        """From trainings of one step and of a few, on the real faces."""
        stages = {name: found.stage for name, found in run.foreseen.items()}
        school = School(
            stages["faces"],
            stages.get("teacher-reduced", stages["teacher"]),
            stages.get("head-reduced", stages["head"]),
        )
        method = recipe.distill.method if recipe.distill.method != "sh-kd" else "th-kd"

        def teacher(short: Recipe, place: Path) -> None:
            teacher_stage(Run(place, Progress(quiet=True)), short, school.faces)

        trains = recipe.teacher.source == "train" and run.foreseen["teacher"].state != "reuse"
        of_teacher = _step_of(teacher, recipe, folder / "teacher") if trains else None
        of_student = _student_step(recipe, school, method, folder / "student")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        return cls(of_student, of_teacher, peak)

    def text(self, recipe: Recipe) -> str:
        batch = recipe.student.train.batch
        text = f"student {self.student:.2f} s for {batch} faces"
        if self.teacher is not None:
            text += f", teacher {self.teacher:.2f} s for {recipe.teacher.train.batch}"
        return f"{text}; this process took at most {self.gigabytes:.1f} GB"


class _ShortRun(Run):
    """Has the teacher's embeddings already: zeros that take no room on the disk."""

    def stage(
        self,
        name: str,
        inputs: dict[str, Any],
        after: list[Stage],
        work: Work,
        *,
        together: bool = False,
    ) -> Stage:
        if name != "cache":
            return Run.stage(self, name, inputs, after, work, together=together)
        faces, teacher = after
        shape = (len(faces_of(faces)), teacher_of(teacher).dim)
        self.folder.mkdir(parents=True, exist_ok=True)
        for side in ("plain", "flipped") if inputs["flip"] else ("plain",):
            open_memmap(self.folder / f"{side}.npy", "w+", np.float16, shape).flush()
        return Stage(name, "", self.folder, {})


def student_step_seconds(recipe: Recipe, school: School, method: str) -> float:
    """What a step of this student takes here, now."""
    with TemporaryDirectory(prefix="embedge-pace-") as name:
        return _student_step(recipe, school, method, Path(name))


def _student_step(recipe: Recipe, school: School, method: str, folder: Path) -> float:
    def train(short: Recipe, place: Path) -> None:
        student_stage(_ShortRun(place, Progress(quiet=True)), short, method, school)

    return _step_of(train, recipe, folder)


def _step_of(train: Any, recipe: Recipe, folder: Path) -> float:
    """Seconds a step: what more steps take longer than one."""
    took = []
    for steps in (1, 1 + _STEPS):
        began = time.perf_counter()
        train(_shortened(recipe, steps), folder / str(steps))
        took.append(time.perf_counter() - began)
    return max(took[1] - took[0], 1e-3) / _STEPS


def _shortened(recipe: Recipe, steps: int) -> Recipe:
    def short(schedule: Schedule) -> Schedule:
        changes = {"steps": steps, "evaluate_every": 0, "patience": 0, "tensorboard": False}
        return schedule.model_copy(update={**changes, "checkpoint_every": 10**9})

    begun = {"start": "random", "train": short(recipe.student.train)}
    student = recipe.student.model_copy(update=begun)
    teacher = recipe.teacher.model_copy(update={"train": short(recipe.teacher.train)})
    return recipe.model_copy(update={"student": student, "teacher": teacher})


def _seconds(
    name: str, run: Rehearsal, recipe: Recipe, teacher: _TeacherTest, costs: _Costs
) -> float | None:
    """What can be told beforehand; None of the rest."""
    foreseen = run.foreseen[name]
    if foreseen.state == "reuse":
        return None
    if name.startswith("student-"):
        return costs.student * recipe.student.train.steps
    if name == "teacher" and costs.teacher is not None:
        return costs.teacher * recipe.teacher.train.steps
    if name.startswith("cache"):
        pictures = len(faces_of(run.foreseen["faces"].stage))
        return pictures * (2 if foreseen.inputs["flip"] else 1) / teacher.faces_a_second
    return None


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
