"""A teacher's embeddings of a face set on disk: half precision, mapped, resumable."""

import json
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from embedge.files import write_json
from embedge.progress import Progress
from embedge.train.data.vocabulary import FaceDataset
from embedge.train.teachers.vocabulary import BATCH, Teacher

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
    with progress.task(what, len(faces), done) as task:
        for turn, low in enumerate(range(done, len(faces), BATCH)):
            images = faces.images[low : low + BATCH]
            found = teacher.features(images[:, :, ::-1] if flip else images)
            rows[low : low + len(found)] = found
            task.advance(len(found))
            if turn % _BATCHES_BETWEEN_MARKS == _BATCHES_BETWEEN_MARKS - 1:
                rows.flush()
                write_json(mark, {"rows": low + len(found)})
    rows.flush()
    write_json(mark, {"rows": len(faces)})
