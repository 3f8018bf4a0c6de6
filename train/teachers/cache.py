"""A teacher's embeddings of a face set on disk: half precision, mapped, resumable."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from embedge.files import reserve, write_json
from embedge.printed import spoken
from embedge.progress import Progress
from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.feeding.batches import share_of
from embedge.train.data.feeding.feed import cores, made_ahead, readers
from embedge.train.data.feeding.pictures import CorruptLog, read_faces
from embedge.train.loop import ranks
from embedge.train.teachers.teacher import Rows, Teacher

__all__ = ["write_cache"]

Spans = list[tuple[int, int]]

_BATCHES_BETWEEN_MARKS = 32
_TOGETHER = ".rows-all.json"
# lengths that half precision holds with all its digits, whatever the direction: what is compared is
# the direction, and a teacher's lengths mean something only beside one another
_LENGTHS = 2.0**-4, 2.0**12
_LONG = 600.0  # seconds that nobody should find out about by waiting


def write_cache(
    path: Path,
    teacher: Teacher,
    faces: FaceDataset,
    *,
    flip: bool,
    progress: Progress,
    zeros: bool = False,
) -> None:
    """Fill the array (N, dim) at `path`, each of the ranks its part of the rows. Rows of `zeros`
    are refused unless whoever reads them leaves them out.

    Marks beside the array name rows that are known to be on disk, however many ranks filled them.
    """
    rank, world = ranks.rank(), ranks.world()
    missing = _missing(len(faces), ranks.agreed(lambda: _begun(path, len(faces), teacher.dim)))
    index = missing[share_of(len(missing), rank, world)]
    mark = path.with_suffix(f".rows-{rank}.json")
    rows = open_memmap(path, "r+")
    what = "teacher's view, mirrored" if flip else "teacher's view"
    mine, log = _Rows(faces, index, teacher.batch), CorruptLog(faces)
    workers = readers(teacher.device, cores(), ranks.together_here())
    began, known = time.monotonic(), (len(faces) - len(missing)) // world
    with progress.task(what, known + len(index), known) as task:
        read = made_ahead(mine, 0, mine.batches, workers=workers, rows=teacher.batch)
        for turn, (images, corrupt) in enumerate(read):
            log.add(corrupt)
            shown = images.numpy()
            answers = teacher.features(shown[:, :, ::-1] if flip else shown)
            rows[mine.of(turn)] = _halved(answers, teacher, mine, turn, zeros=zeros)
            task.advance(len(shown))
            if turn == 0 and teacher.device == "cpu":
                _foretell(progress, what, mine.batches * (time.monotonic() - began))
            if turn % _BATCHES_BETWEEN_MARKS == _BATCHES_BETWEEN_MARKS - 1:
                rows.flush()
                _note(mark, index[: (turn + 1) * teacher.batch])
    rows.flush()
    _note(mark, index)
    ranks.barrier()


def _foretell(progress: Progress, what: str, seconds: float) -> None:
    if seconds > _LONG:
        progress.say(
            f"  {what}: about {spoken(seconds)} on this processor, by its first batch;"
            " teacher.device cuda asks it on a GPU"
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Pictures of `index` in their order, read while the teacher looks at those before."""

    faces: FaceDataset
    index: NDArray[np.int64]
    size: int

    @property
    def batches(self) -> int:
        return -(-len(self.index) // self.size)

    def of(self, step: int) -> NDArray[np.int64]:
        return self.index[step * self.size : (step + 1) * self.size]

    def at(self, step: int) -> tuple[Tensor, tuple[CorruptRecord, ...]]:
        read = read_faces(self.faces, self.of(step))
        return torch.from_numpy(read.images), read.corrupt


def _halved(
    answers: Rows, teacher: Teacher, mine: _Rows, turn: int, *, zeros: bool
) -> NDArray[np.float16]:
    lengths = teacher.require_directions(
        answers, lambda n: mine.faces.record_name(int(mine.of(turn)[n])), zeros=zeros
    )
    held: NDArray[np.float64] = np.clip(lengths, *_LENGTHS) / np.where(lengths, lengths, 1)
    return (answers * held[:, None]).astype(np.float16)


def _begun(path: Path, count: int, dim: int) -> Spans:
    """An array of the right shape, and which rows of it are filled: one that was begun is kept."""
    marks, together = [*path.parent.glob(f"{path.stem}.rows-*.json")], path.with_suffix(_TOGETHER)
    kept = marks if path.is_file() else []  # else they are of an array that is gone
    spans = [(first, stop) for mark in kept for first, stop in json.loads(mark.read_text())["rows"]]
    if spans:  # said in one place before those who fill the rest begin their marks anew
        write_json(together, {"rows": spans})
    else:
        open_memmap(path, "w+", np.float16, (count, dim)).flush()
    reserve(path)
    for mark in marks:
        if not spans or mark != together:
            mark.unlink()
    return spans


def _missing(count: int, filled: Spans) -> NDArray[np.int64]:
    missing = np.ones(count, bool)
    for first, stop in filled:
        missing[first:stop] = False
    return np.flatnonzero(missing)


def _note(mark: Path, filled: NDArray[np.int64]) -> None:
    """Runs of rows, each from its first to the one behind its last."""
    runs = np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1)
    write_json(mark, {"rows": [(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]})
