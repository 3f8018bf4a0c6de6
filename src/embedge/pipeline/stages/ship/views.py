"""The held-out people through every network: what all proof is made from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.students import load_student, shares_space
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.progress import Progress
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces
from embedge.train.head.recovery.centres import unit

__all__ = ["Rows", "Subjects", "Views", "views_of"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Subjects:
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


@dataclass(frozen=True, slots=True)
class Views:
    """The held-out pictures through every network, rows of length one."""

    teacher: Rows
    student: Rows
    baseline: Rows | None
    original: Rows | None
    artifacts: dict[str, Rows]
    providers: dict[str, str]
    shared: bool
    """whether the student speaks the teacher's language"""


def views_of(
    recipe: Recipe,
    faces: FaceSet,
    subjects: Subjects,
    graphs: dict[str, Path],
    progress: Progress,
) -> Views:
    def taught(stage: Stage, what: str) -> Rows:
        return unit(teacher_of(stage).embed(faces, what=_words(what), progress=progress))

    def learnt(stage: Stage, what: str) -> Rows:
        network = load_student(recipe, stage)
        return unit(embed_faces(network, faces, what=_words(what), progress=progress))

    artifacts, providers = {}, {}
    for name, path in graphs.items():
        with OrtEncoder(path) as encoder:
            artifacts[name] = _embedded(encoder, faces, name, progress)
            providers[name] = encoder.provider
    return Views(
        taught(subjects.teacher, "teacher"),
        learnt(subjects.student, "student"),
        learnt(subjects.baseline, "from scratch") if subjects.baseline else None,
        taught(subjects.original, "original teacher") if subjects.original else None,
        artifacts,
        providers,
        shares_space(subjects.student),
    )


def _words(what: str) -> str:
    return f"held-out people, {what}"


def _embedded(encoder: OrtEncoder, faces: FaceSet, name: str, progress: Progress) -> Rows:
    rows = []
    with progress.task(f"held-out people, {name}", len(faces)) as task:
        for low in range(0, len(faces), 32):
            rows.append(encoder.embed(np.asarray(faces.images[low : low + 32])))
            task.advance(len(rows[-1]))
    return np.concatenate(rows)
