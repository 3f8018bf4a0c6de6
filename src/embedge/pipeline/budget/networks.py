"""What one picture costs in a network: counted on a device that computes nothing."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from embedge.pipeline.recipe import Recipe
from embedge.train.models.cost import macs_of, parameters_of
from embedge.train.models.iresnet import iresnet

__all__ = ["PictureCost", "student_cost", "teacher_cost"]

_BROUGHT = 100
"""depth of an IResNet that a file is taken for, until it is there"""


@dataclass(frozen=True, slots=True)
class PictureCost:
    name: str
    dim: int
    parameters: int
    macs: int
    numbers: int
    """that all layers put out"""
    layers: int

    @classmethod
    def of(cls, name: str, dim: int, network: nn.Module) -> Self:
        """Of a network that lies on the device `meta`."""
        numbers = 0

        def count(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal numbers
            numbers += output.numel()

        leaves = [one for one in network.modules() if not list(one.children())]
        handles = [leaf.register_forward_hook(count) for leaf in leaves]
        with torch.device("meta"):
            macs = macs_of(network)
        for handle in handles:
            handle.remove()
        return cls(name, dim, parameters_of(network), macs, numbers, len(leaves))


def teacher_cost(recipe: Recipe) -> PictureCost:
    wanted = recipe.teacher
    brought = wanted.source == "file"
    depth, dim = (_BROUGHT, 512) if brought else (wanted.depth, wanted.dim)
    channels = (64, 128, 256, 512) if brought else wanted.channels
    with torch.device("meta"):
        return PictureCost.of(f"r{depth}", dim, iresnet(depth, dim, channels=channels))


def student_cost(recipe: Recipe, dim: int) -> PictureCost:
    with torch.device("meta"):
        network = recipe.student.shape.network(dim)
    return PictureCost.of(type(network).__name__, dim, network)
