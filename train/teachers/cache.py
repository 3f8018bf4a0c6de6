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
from embedge.train.embed import BATCH, StandIns
from embedge.train.teachers.teacher import Rows, Teacher

__all__ = ["write_cache"]

_BATCHES_BETWEEN_MARKS = 32


def write_cache(
    path: Path, teacher: Teacher, faces: FaceDataset, *, flip: bool, progress: Progress
) -> None:
    """Fill the array (N, dim) at `path`. Rows before the mark beside it are known to be on disk."""
    mark = path.with_suffix(".json")
    done = json.loads(mark.read_text())["rows"] if mark.is_file() and path.is_file() else 0
    shape = (len(faces), teacher.dim)
    rows = open_memmap(path, "r+" if done else "w+", np.float16, None if done else shape)
    what = "teacher's view, mirrored" if flip else "teacher's view"

    def encode(images: RgbImage) -> Rows:
        return teacher.features(images[:, :, ::-1] if flip else images)

    with progress.task(what, len(faces), done) as task:
        chunks = feature_chunks(StandIns(faces), encode, size=BATCH, start=done, ticker=task)
        for turn, chunk in enumerate(chunks):
            last = chunk.first + len(chunk.rows)
            rows[chunk.first : last] = chunk.rows
            if turn % _BATCHES_BETWEEN_MARKS == _BATCHES_BETWEEN_MARKS - 1:
                rows.flush()
                write_json(mark, {"rows": last})
    rows.flush()
    write_json(mark, {"rows": len(faces)})
