"""A teacher's embeddings of a face set on disk: half precision, mapped, resumable."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from embedge.files import write_json
from embedge.printed import spoken
from embedge.progress import Progress
from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.feeding.batches import share_of
from embedge.train.data.feeding.feed import cores, made_ahead, readers
from embedge.train.data.feeding.pictures import CorruptLog, read_faces
from embedge.train.loop import ranks
from embedge.train.teachers.teacher import Teacher

__all__ = ["write_cache"]

_BATCHES_BETWEEN_MARKS = 32
_LONG = 600.0  # seconds that nobody should find out about by waiting


def write_cache(
    path: Path, teacher: Teacher, faces: FaceDataset, *, flip: bool, progress: Progress
) -> None:
    """Fill the array (N, dim) at `path`, each of the ranks its part of the rows.

    Rows before the mark beside the array are known to be on disk.
    """
    rank, world = ranks.rank(), ranks.world()
    part = share_of(len(faces), rank, world)
    mark = path.with_suffix(f".{rank}-of-{world}.json")
    ranks.agreed(lambda: _begun(path, len(faces), teacher.dim))
    done = json.loads(mark.read_text())["rows"] if mark.is_file() else part.start
    rows = open_memmap(path, "r+")
    what = "teacher's view, mirrored" if flip else "teacher's view"
    mine, log = _Rows(faces, done, part.stop, teacher.batch), CorruptLog(faces)
    workers = readers(teacher.device, cores(), ranks.together_here())
    began = time.monotonic()
    with progress.task(what, part.stop - part.start, done - part.start) as task:
        read = made_ahead(mine, 0, mine.batches, workers=workers, rows=teacher.batch)
        for turn, (images, corrupt) in enumerate(read):
            log.add(corrupt)
            shown = images.numpy()
            last = done + len(shown)
            rows[done:last] = teacher.features(shown[:, :, ::-1] if flip else shown)
            done = last
            task.advance(len(shown))
            if turn == 0 and teacher.device == "cpu":
                _foretell(progress, what, mine.batches * (time.monotonic() - began))
            if turn % _BATCHES_BETWEEN_MARKS == _BATCHES_BETWEEN_MARKS - 1:
                rows.flush()
                write_json(mark, {"rows": last})
    rows.flush()
    write_json(mark, {"rows": part.stop})
    ranks.barrier()


def _foretell(progress: Progress, what: str, seconds: float) -> None:
    if seconds > _LONG:
        progress.say(
            f"  {what}: about {spoken(seconds)} on this processor, by its first batch;"
            " teacher.device cuda asks it on a GPU"
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Pictures first … stop−1 in their order, read while the teacher looks at those before."""

    faces: FaceDataset
    first: int
    stop: int
    size: int

    @property
    def batches(self) -> int:
        return -(-(self.stop - self.first) // self.size)

    def at(self, step: int) -> tuple[Tensor, tuple[CorruptRecord, ...]]:
        begin = self.first + step * self.size
        read = read_faces(self.faces, np.arange(begin, min(begin + self.size, self.stop)))
        return torch.from_numpy(read.images), read.corrupt


def _begun(path: Path, count: int, dim: int) -> None:
    """An array of the right shape; one that was begun is kept with its marks."""
    if path.is_file() and any(path.parent.glob(f"{path.stem}.*-of-*.json")):
        return
    for mark in path.parent.glob(f"{path.stem}.*-of-*.json"):  # of an array that is gone
        mark.unlink()
    open_memmap(path, "w+", np.float16, (count, dim)).flush()
