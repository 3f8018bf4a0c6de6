"""The held-out people through every network: what all proof is made from."""

from dataclasses import dataclass
from pathlib import Path

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject
from embedge.pipeline.proving.judging import Rows, Views
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.students import load_student, shares_space
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
from embedge.runtime.encoders.bundled import encoder_on, runtime_of
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces, rows_of

__all__ = ["JudgedStages", "views_of"]


@dataclass(frozen=True, slots=True)
class JudgedStages:
    """The finished stages that are judged, and the people they are judged on."""

    held_out: Stage
    teacher: Stage
    student: Stage
    baseline: Stage | None = None
    original: Stage | None = None
    """the teacher that `teacher` was made from"""

    @property
    def stages(self) -> list[Stage]:
        some = (self.held_out, self.teacher, self.student, self.baseline, self.original)
        return [stage for stage in some if stage is not None]


def views_of(
    recipe: Recipe,
    faces: FaceSet,
    subjects: JudgedStages,
    graphs: dict[str, Path],
    progress: Progress,
) -> Views:
    def taught(stage: Stage, model: str) -> Subject:
        rows = teacher_of(stage).embed(faces, what=_words(model), progress=progress)
        return Subject(Side(model), unit_rows(rows))

    def learnt(stage: Stage, what: str) -> Rows:
        network = load_student(recipe, stage)
        return unit_rows(embed_faces(network, faces, what=_words(what), progress=progress))

    def beside(stage: Stage) -> Subject:
        return Subject(Side(recipe.beside), learnt(stage, recipe.beside))

    artifacts, providers = {}, {}
    for name, path in graphs.items():
        with encoder_on(runtime_of(name), path) as encoder:
            rows = rows_of(faces, encoder.embed, what=_words(name), progress=progress)
            artifacts[name] = Subject(Side("student", name), rows, encoder.contract)
            providers[name] = encoder.provider
    return Views(
        teacher=taught(subjects.teacher, "teacher"),
        student=learnt(subjects.student, "student"),
        baseline=beside(subjects.baseline) if subjects.baseline else None,
        original=taught(subjects.original, "original teacher") if subjects.original else None,
        artifacts=artifacts,
        providers=providers,
        shared=shares_space(subjects.student),
    )


def _words(what: str) -> str:
    return f"held-out people, {what}"
