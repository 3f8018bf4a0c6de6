"""Recovered class centres, refined: a margin softmax on cached embeddings moves them apart."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin
from embedge.train.loop.schedule import rate_at
from embedge.train.teachers.making.shape import RowBatches

__all__ = ["probed_head"]

_BATCH = 512
_RATE = 2e-3


def probed_head(
    rows: NDArray[np.float16],
    labels: NDArray[np.int64],
    head: Tensor,
    margin: Margin,
    steps: int,
    seed: int,
) -> Tensor:
    """Unit rows after `steps` of Adam from `head`; the embeddings stay as they are."""
    weight = nn.Parameter(head.clone())
    optimizer = torch.optim.Adam([weight], lr=_RATE)
    batches = RowBatches(rows, None, labels, _BATCH, seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * rate_at(step, steps, 0, "cosine")
        batch = batches.at(step)
        optimizer.zero_grad(set_to_none=True)
        margin_ce(batch.images, weight, batch.labels, margin).mean().backward()
        optimizer.step()
    return normalize(weight.detach())
