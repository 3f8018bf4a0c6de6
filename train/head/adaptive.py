"""Class centres that move with the data, on one rank or sharded over several."""

import torch
import torch.nn.functional as F
from torch import Tensor

from embedge.train.head.shard import Shard

__all__ = ["blend_rows"]


@torch.no_grad()
def blend_rows(
    weight: Tensor, labels: Tensor, features: Tensor, keep: Tensor, shard: Shard | None = None
) -> None:
    """In place: w_y ← normalise(mean over the class's samples of keep·w_y + (1 − keep)·f).

    `weight` holds unit rows, `features` (B, d) the samples' (teacher) embeddings, `keep` (B,) in
    0…1. Samples of one class are averaged, so that their order, and the rank they came from, do
    not matter. With a `shard`, `weight` is this rank's rows and all ranks call together.
    """
    if shard is not None:
        labels = shard.gather(labels) - shard.low
        features, keep = shard.gather(features), shard.gather(keep)
        here = (labels >= 0) & (labels < len(weight))
        labels, features, keep = labels[here], features[here], keep[here]
    classes, place, counts = labels.unique(return_inverse=True, return_counts=True)
    keep = keep.float()[:, None]
    proposals = keep * weight[labels].float() + (1 - keep) * F.normalize(features.float())
    sums = proposals.new_zeros(len(classes), weight.shape[1]).index_add_(0, place, proposals)
    weight[classes] = F.normalize(sums / counts[:, None]).to(weight.dtype)
