"""The held-out people through every network: what all proof is made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.pipeline.learning import load_student, teacher_of
from embedge.pipeline.stages import Stage
from embedge.progress import Progress
from embedge.recipe import Recipe
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.train.centres import unit
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces

__all__ = ["Rows", "Views", "views_of"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Views:
    """The held-out pictures through every network, rows of length one."""

    teacher: Rows
    student: Rows
    baseline: Rows | None
    artifacts: dict[str, Rows]
    providers: dict[str, str]


def views_of(
    recipe: Recipe,
    faces: FaceSet,
    teacher: Stage,
    student: Stage,
    baseline: Stage | None,
    graphs: dict[str, Path],
    progress: Progress,
) -> Views:
    def through(network: Any, what: str) -> Rows:
        return unit(embed_faces(network, faces, what=f"held-out people, {what}", progress=progress))

    artifacts, providers = {}, {}
    for name, path in graphs.items():
        with OrtEncoder(path) as encoder:
            artifacts[name] = _embedded(encoder, faces, name, progress)
            providers[name] = encoder.provider
    return Views(
        through(teacher_of(teacher).network, "teacher"),
        through(load_student(recipe, student), "student"),
        through(load_student(recipe, baseline), "from scratch") if baseline else None,
        artifacts,
        providers,
    )


def _embedded(encoder: OrtEncoder, faces: FaceSet, name: str, progress: Progress) -> Rows:
    rows = []
    with progress.task(f"held-out people, {name}", len(faces)) as task:
        for low in range(0, len(faces), 32):
            rows.append(encoder.embed(np.asarray(faces.images[low : low + 32])))
            task.advance(len(rows[-1]))
    return np.concatenate(rows)
