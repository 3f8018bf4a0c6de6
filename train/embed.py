"""Embeddings of a whole face set, by a network or by anything else that answers to pictures."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedge.calibration.evaluation.embed import feature_chunks
from embedge.calibration.evaluation.faces import CorruptRecord, Faces
from embedge.progress import Progress
from embedge.runtime.picture.images import RgbImage
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.feeding.batches import pixels
from embedge.train.data.feeding.pictures import CorruptLog, read_faces

__all__ = ["BATCH", "StandIns", "embed_faces", "rows_of"]

Rows = NDArray[np.float32]
BATCH = 64


class StandIns(Faces):
    """A data set that can be read to its end: for a corrupt record another one stands in.

    It is of the same person if there is one; there is a bound to how many are corrupt.
    """

    def __init__(self, faces: FaceDataset) -> None:
        self._faces, self._corrupt = faces, CorruptLog(faces)

    def __len__(self) -> int:
        return len(self._faces)

    def read(self, index: int) -> RgbImage:
        try:
            return self._faces.read(index)
        except CorruptRecord:
            found = read_faces(self._faces, np.asarray([index]))
        self._corrupt.add(found.corrupt)
        return np.asarray(found.images[0])

    def record_name(self, index: int) -> str:
        return self._faces.record_name(index)


def rows_of(
    faces: FaceDataset,
    encode: Callable[[RgbImage], Rows],
    *,
    what: str,
    progress: Progress,
    size: int = BATCH,
) -> Rows:
    """What `encode` answers to every picture, (N, dim)."""
    with progress.task(what, len(faces)) as task:
        chunks = feature_chunks(StandIns(faces), encode, size=size, ticker=task)
        return np.concatenate([chunk.rows for chunk in chunks])


def embed_faces(network: nn.Module, faces: FaceDataset, *, what: str, progress: Progress) -> Rows:
    """Un-normalised embeddings (N, dim)."""
    network.eval()
    device = next(network.parameters()).device

    def encode(images: RgbImage) -> Rows:
        with torch.inference_mode():
            rows: Rows = network(pixels(images).to(device)).float().cpu().numpy()
        return rows

    return rows_of(faces, encode, what=what, progress=progress)
