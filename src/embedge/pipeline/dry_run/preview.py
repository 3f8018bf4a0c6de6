"""What `--dry-run` tells: the data, the teacher and its self-test, a step's cost, every stage."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from embedge.bench.machine.facts import peak_rss_bytes
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import EqualError, equal_error
from embedge.pipeline.chain import every_stage
from embedge.pipeline.dry_run.pace import Pace, Stopwatch
from embedge.pipeline.dry_run.people import people_lines
from embedge.pipeline.dry_run.rehearsal import Foreseen, Rehearsal
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import check_recipe
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.teacher import some_people, teacher_of
from embedge.printed import spoken
from embedge.runtime.encoders import unit_rows
from embedge.train.data import FaceDataset
from embedge.train.teachers import Teacher

__all__ = ["preview_of"]

_LOOKED_AT = 128


def preview_of(folder: Path, recipe: Recipe, *, update: bool) -> str:
    """The text. Nothing is written but in a temporary folder, which is gone afterwards."""
    if not update:
        check_recipe(folder, recipe.to_json())
    with TemporaryDirectory(prefix="embedge-dry-run-") as name:
        stopwatch = Stopwatch()
        run = Rehearsal(folder, stopwatch, scratch=Path(name))
        every_stage(run, recipe)
        return _told(run, recipe, stopwatch)


def _told(run: Rehearsal, recipe: Recipe, stopwatch: Stopwatch) -> str:
    school, original = school_of(run, recipe)
    first = original or school.teacher
    faces, teacher = faces_of(school.faces), teacher_of(first).placed(recipe.teacher.placement)
    trained = _to_train(run.foreseen[first.key])
    test = _TeacherTest.of(teacher, faces, trained=trained)
    paces = {
        key: Pace.of(found.declared.training, run.scratch / f"trial-{key}", stopwatch)
        for key, found in run.foreseen.items()
        if _to_train(found) and found.declared.training
    }
    seconds = {key: _seconds(one, paces, test) for key, one in run.foreseen.items()}
    held = peak_rss_bytes() / 1e9
    return "\n".join(
        [
            f"data      {faces.name}: {len(faces):,} pictures of {faces.classes:,} people to learn"
            f" from, {recipe.data.held_out} others to be judged on",
            *people_lines(recipe),
            f"teacher   {test.text()}",
            f"step      {_steps_text(run, paces)}; this process took at most {held:.1f} GB",
            "stages",
            *_stage_lines(run.foreseen.values(), seconds),
            f"trainings and teacher together about {spoken(sum(seconds.values()))};"
            " nothing was written",
        ]
    )


def _to_train(found: Foreseen) -> bool:
    return found.declared.training is not None and found.state != "reuse"


def _seconds(found: Foreseen, paces: dict[str, Pace], test: "_TeacherTest") -> float:
    """What can be told beforehand; 0 of the rest."""
    declared = found.declared
    if found.state == "reuse":
        return 0.0
    if declared.training is not None:
        return paces[found.stage.key].seconds * declared.training.schedule.steps
    return declared.asks() / test.faces_a_second


def _stage_lines(foreseen: Iterable[Foreseen], seconds: dict[str, float]) -> Iterable[str]:
    """SH-KD asks two teachers about the faces: the second stage of a name has another line."""
    names = set[str]()
    for found in foreseen:
        name = found.stage.name
        name = f"{name}-again" if name in names else name
        names.add(name)
        expected = seconds[found.stage.key]
        about = f"about {spoken(expected)}" if expected else ""
        yield f"  {name:<18} {found.state:<8} {about}".rstrip()


def _steps_text(run: Rehearsal, paces: dict[str, Pace]) -> str:
    told = []
    for key, pace in paces.items():
        training = run.foreseen[key].declared.training
        if training is not None:
            name = run.foreseen[key].stage.name
            compiling = f" ({pace.about_compiling})" if pace.about_compiling else ""
            batch = training.schedule.batch
            told.append(f"{name} {pace.seconds:.2f} s for {batch} faces{compiling}")
    return ", ".join(told) or "nothing is left to train"


@dataclass(frozen=True, slots=True)
class _TeacherTest:
    """How a teacher did on some faces of the data set, and how fast it was."""

    teacher: Teacher
    trained: bool
    faces_a_second: float
    pictures: int
    rate: float | None

    @classmethod
    def of(cls, teacher: Teacher, faces: FaceDataset, *, trained: bool) -> "_TeacherTest":
        some = some_people(faces.labels, _LOOKED_AT)
        if not len(some):  # one picture a person: enough for the clock
            some = np.arange(min(_LOOKED_AT, len(faces)))
        images = np.asarray(faces.images[some])
        teacher.features(images[:8])  # a device starts up, and chooses its kernels
        began = time.perf_counter()
        rows = teacher.features(images)
        speed = len(images) / (time.perf_counter() - began)
        found = equal_error(pairs_within(unit_rows(rows), faces.labels[some]))
        rate = found.rate if isinstance(found, EqualError) else None
        return cls(teacher, trained, speed, len(images), rate)

    def text(self) -> str:
        size = f"{self.teacher.cost().parameters / 1e6:.2f} M parameters, {self.teacher.dim}-d"
        pace = f"{self.faces_a_second:.0f} faces/s"
        if self.trained:
            return f"to be trained: {size}, {pace}"
        rate = "unknown" if self.rate is None else f"{self.rate:.1%}"
        return (
            f"{self.teacher.kind}, {size}, {pace}; self-test on {self.pictures} of the faces:"
            f" equal error rate {rate}"
        )
