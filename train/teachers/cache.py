"""A teacher's embeddings of a face set on disk: half precision, mapped, resumable."""

import json
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from embedge.calibration.evaluation.embed import feature_chunks
from embedge.files import write_json
from embedge.progress import Progress
from embedge.runtime.picture.images import RgbImage
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.feeding.batches import share_of
from embedge.train.embed import StandIns
from embedge.train.loop import ranks
from embedge.train.teachers.teacher import Rows, Teacher

__all__ = ["write_cache"]

_BATCHES_BETWEEN_MARKS = 32


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

    def encode(images: RgbImage) -> Rows:
        return teacher.features(images[:, :, ::-1] if flip else images)

    with progress.task(what, part.stop - part.start, done - part.start) as task:
        mine, stop = StandIns(faces), part.stop
        chunks = feature_chunks(
            mine, encode, size=teacher.batch, start=done, stop=stop, ticker=task
        )
        for turn, chunk in enumerate(chunks):
            last = chunk.first + len(chunk.rows)
            rows[chunk.first : last] = chunk.rows
            if turn % _BATCHES_BETWEEN_MARKS == _BATCHES_BETWEEN_MARKS - 1:
                rows.flush()
                write_json(mark, {"rows": last})
    rows.flush()
    write_json(mark, {"rows": part.stop})
    ranks.barrier()


def _begun(path: Path, count: int, dim: int) -> None:
    """An array of the right shape; one that was begun is kept with its marks."""
    if path.is_file() and any(path.parent.glob(f"{path.stem}.*-of-*.json")):
        return
    open_memmap(path, "w+", np.float16, (count, dim)).flush()
