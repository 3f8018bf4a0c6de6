"""The teacher's embeddings of every training picture, computed once and in half precision."""

from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.train.distil import CachedTeacher
from embedge.train.teachers.cache import write_cache
from embedge.train.teachers.teacher import Placement

__all__ = ["cache_stage", "cached"]

_PLAIN, _FLIPPED = "plain.npy", "flipped.npy"


def cache_stage(
    run: Run,
    faces: Stage,
    teacher: Stage,
    where: Placement,
    *,
    dim: int,
    flip: bool,
    zeros: bool = False,
) -> Stage:
    """Embeddings of `dim` dimensions, of the mirrored pictures too if `flip`.

    Half precision is another answer and so another stage; where and how many at a time is not. Some
    rows may be `zeros` where pictures that are no faces are left out, but not most of them.
    """
    sides = {_PLAIN: False, _FLIPPED: True} if flip else {_PLAIN: False}

    def work(folder: Path) -> dict[str, int]:
        known, pictures = teacher_of(teacher).placed(where), faces_of(faces)
        for name, side in sides.items():
            write_cache(
                folder / name, known, pictures, flip=side, progress=run.progress, zeros=zeros
            )
        if not zeros:
            return {}
        shown = np.all([np.load(folder / name, mmap_mode="r").any(1) for name in sides], axis=0)
        empty = int((~shown).sum())
        if 2 * empty > len(shown):
            what = f"zeros alone to {empty} of {len(shown)} pictures"
            raise known.meaningless(what, pictures.record_name(int(shown.argmin())))
        return {"zeros": empty}

    def nothing_yet(folder: Path) -> None:
        """They take no room on the disk."""
        shape = len(faces_of(faces)), dim
        for name in sides:
            open_memmap(folder / name, "w+", np.float16, shape).flush()

    stage = run.stage(
        "cache",
        {"flip": flip} if where.amp == "fp32" else {"flip": flip, "amp": where.amp},
        [faces, teacher],
        work,
        together=True,
        stand_in=nothing_yet,
        asks=lambda: len(sides) * len(faces_of(faces)),
    )
    if not zeros and (count := stage.facts.get("zeros")):
        what = f"zeros alone to {count} pictures"
        raise teacher_of(teacher).meaningless(what, faces_of(faces).name)
    return stage


def cached(stage: Stage) -> CachedTeacher:
    def rows(name: str) -> NDArray[np.float16]:
        return stage.opened(name, lambda path: np.load(path, mmap_mode="r"))

    return CachedTeacher(
        rows(_PLAIN), rows(_FLIPPED) if (stage.folder / _FLIPPED).is_file() else None
    )
