"""Fewer negatives for millions of classes: the hard ones always, some of the others by lot.

The classes of a batch and their nearest neighbours are taken with certainty. Of the rest, m are
drawn without replacement, and each stands for (rest / m) classes: log of that is added to its
logit (the log-Q correction), which makes the sum of exponentials unbiased. With m at least the
rest, every class is there, no logit is corrected and the loss is the full one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedge.train.head.choice import Kernel
from embedge.train.head.margin_ce import margin_ce
from embedge.train.margins import TargetMargin

__all__ = ["ClassDraw", "draw_classes", "sampled_margin_ce"]


@dataclass(frozen=True, slots=True)
class ClassDraw:
    """Sorted classes, the correction of each, and the batch's labels counted in the draw."""

    classes: Tensor
    bias: Tensor
    labels: Tensor


def draw_classes(
    labels: Tensor,
    classes: int,
    random: int,
    *,
    neighbours: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> ClassDraw:
    """`random` classes beside those of the batch and, where given, their `neighbours` (C, k)."""
    certain = labels.unique()
    if neighbours is not None:
        hard = neighbours[certain.to(neighbours.device)].to(certain.device).flatten().long()
        certain = torch.cat([certain, hard]).unique()
    rest = classes - len(certain)
    drawn = _draw_outside(certain, classes, min(random, rest), generator)
    bias = torch.zeros(len(certain) + len(drawn), device=labels.device)
    if len(drawn):
        bias[len(certain) :] = torch.tensor(rest / len(drawn)).log()
    chosen, order = torch.cat([certain, drawn]).sort()
    return ClassDraw(chosen, bias[order], torch.searchsorted(chosen, labels))


def sampled_margin_ce(
    embeddings: Tensor,
    weight: Tensor,
    draw: ClassDraw,
    margin: TargetMargin,
    *,
    block: int | None = None,
    weight_is_normalised: bool | None = None,
    kernel: Kernel = "auto",
) -> Tensor:
    """`margin_ce` over the drawn classes. `weight` may be elsewhere or mapped."""
    rows = weight[draw.classes.to(weight.device)].to(embeddings.device)
    if weight_is_normalised is None:
        weight_is_normalised = not weight.requires_grad
    return margin_ce(
        embeddings,
        rows,
        draw.labels,
        margin,
        block=block,
        weight_is_normalised=weight_is_normalised,
        bias=draw.bias.to(embeddings.device),
        kernel=kernel,
    )


def _draw_outside(
    taken: Tensor, classes: int, count: int, generator: torch.Generator | None
) -> Tensor:
    """`count` distinct classes that are not in `taken` (sorted), all equally likely.

    A place among the free classes becomes a class by stepping over the taken ones before it, so
    nothing of the size of all classes is needed but the permutation of a large draw.
    """
    free = classes - len(taken)
    if count * 4 >= free:
        place = torch.randperm(free, generator=generator)[:count]
    else:
        place = _distinct(free, count, generator)
    place = place.to(taken.device)
    # taken[i] − i free classes lie before taken[i]
    before = taken - torch.arange(len(taken), device=taken.device)
    return place + torch.searchsorted(before, place, right=True)


def _distinct(free: int, count: int, generator: torch.Generator | None) -> Tensor:
    """Draw with a surplus, keep the first of each, cut: every subset is equally likely."""
    found = torch.empty(0, dtype=torch.long)
    while len(found) < count:
        more = torch.randint(free, (count + count // 4 + 8,), generator=generator)
        everything = torch.cat([found, more])
        values, place = everything.unique(return_inverse=True)
        first = torch.full_like(values, len(everything)).scatter_reduce_(
            0, place, torch.arange(len(everything)), "amin"
        )
        found = everything[first.sort().values]
    return found[:count]
