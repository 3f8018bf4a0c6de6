"""Pictures of any source, indexed like an array and decoded only when asked for."""

from typing import Any

import numpy as np

from embedge.train.data.feeding.guard import CorruptLog, read_faces
from embedge.train.data.vocabulary import SIDE, FaceDataset, Pictures

__all__ = ["LazyPictures", "StoredFaces"]


class StoredFaces(FaceDataset):
    """A source whose pictures are encoded files."""

    @property
    def images(self) -> "LazyPictures":
        return LazyPictures(self)


class LazyPictures:
    """`pictures[rows]` for a number, a slice, or an array of numbers or of booleans."""

    def __init__(self, faces: FaceDataset) -> None:
        self._faces = faces
        self._corrupt = CorruptLog(faces)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), SIDE, SIDE, 3

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, rows: Any) -> Pictures:
        index = np.arange(len(self))[rows]
        read = read_faces(self._faces, np.atleast_1d(index))
        self._corrupt.add(read.corrupt)
        return read.images if np.ndim(index) else read.images[0]
