"""Embeddings of a face set by a torch network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedge.progress import Progress
from embedge.train.data.feeding.batches import pixels
from embedge.train.data.feeding.guard import CorruptLog, read_faces
from embedge.train.data.vocabulary import FaceDataset

__all__ = ["embed_faces"]

_BATCH = 64


def embed_faces(
    network: nn.Module, faces: FaceDataset, *, what: str, progress: Progress, flip: bool = False
) -> NDArray[np.float32]:
    """Un-normalised embeddings (N, dim), of the mirrored pictures if `flip`.

    The row of a corrupt record repeats that of another picture, of the same person if there is one.
    """
    corrupt = CorruptLog(faces)
    network.eval()
    device = next(network.parameters()).device
    found = []
    with torch.inference_mode(), progress.task(what, len(faces)) as task:
        for low in range(0, len(faces), _BATCH):
            read = read_faces(faces, np.arange(low, min(low + _BATCH, len(faces))))
            corrupt.add(read.corrupt)
            images = read.images
            inputs = pixels(images[:, :, ::-1] if flip else images).to(device)
            found.append(network(inputs).float().cpu().numpy())
            task.advance(len(images))
    return np.concatenate(found)
