"""The nearest classes of every class. Frozen centres never move, so it is done once and kept."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from embedge.files import whole_file
from embedge.train.head.blocks import ClassBlocks

__all__ = ["cached_neighbours", "head_digest", "nearest_classes"]

_QUERIES = 1024


@torch.no_grad()
def nearest_classes(weight: Tensor, count: int, *, normalised: bool = True) -> Tensor:
    """(C, count) int32: each class's nearest others by cosine, nearest first. Exact."""
    classes = len(weight)
    count = min(count, classes - 1)
    found = torch.empty(classes, count, dtype=torch.int32)
    blocks = ClassBlocks.of(weight, _QUERIES, None, normalised, torch.float32)
    for low in range(0, classes, _QUERIES):
        own = torch.arange(low, min(low + _QUERIES, classes), device=weight.device)
        found[low : low + _QUERIES] = _nearest_of(blocks, own, count).to(torch.int32).cpu()
    return found


def cached_neighbours(
    weight: Tensor, count: int, folder: Path, *, normalised: bool = True
) -> Tensor:
    """As `nearest_classes`, kept in a file named by the head's digest and mapped from there."""
    path = folder / f"neighbours-{head_digest(weight)[:16]}-{count}.npy"
    if not path.exists():
        found = nearest_classes(weight, count, normalised=normalised).numpy()
        with whole_file(path) as part, part.open("wb") as stream:
            np.save(stream, found)
    # copy-on-write: torch wants writable memory, the file must stay as it is
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def head_digest(weight: Tensor) -> str:
    """sha256 over precision, shape and rows, reading one block at a time."""
    digest = hashlib.sha256(f"{weight.dtype} {tuple(weight.shape)}".encode())
    for rows in weight.detach().split(1 << 14):
        digest.update(rows.contiguous().cpu().view(torch.uint8).numpy())
    return digest.hexdigest()


def _nearest_of(blocks: ClassBlocks, own: Tensor, count: int) -> Tensor:
    """Top `count` over all blocks, merged block by block."""
    queries = blocks.rows(own)
    best = queries.new_full((len(own), count), -torch.inf)
    classes = torch.zeros(len(own), count, dtype=torch.long, device=own.device)
    for low, rows in blocks:
        cosine = queries @ rows.T
        column = torch.arange(low, low + len(rows), device=own.device)
        cosine.masked_fill_(own[:, None] == column, -torch.inf)
        block_best, place = cosine.topk(min(count, len(rows)), dim=1)
        both = torch.cat([best, block_best], dim=1)
        names = torch.cat([classes, place + low], dim=1)
        best, order = both.topk(count, dim=1)
        classes = names.gather(1, order)
    return classes
