"""RepFace: a student of plain 3x3 convolutions, each of which learns as three.

A block learns as the sum of a 3x3 convolution, a 1x1 convolution and the map itself, each behind a
batch norm of its own (RepVGG, arXiv 2101.03697); what is exported is the one convolution that they
add up to. Processors multiply dense filters of 8 bits at their full rate, and depthwise ones far
below it.
"""

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from embedge.train.models.mobilefacenet import (
    Activation,
    ConvBlock,
    GlobalDepthwise,
    activation_of,
    initialise,
    repeated,
)
from embedge.train.models.quick.layers import normed
from embedge.train.models.tail import Tailed, with_tail

__all__ = ["RepConv", "RepFace", "repface"]

_STEM, _TAIL = 32, 512
_STAGES = ((64, 2), (128, 4), (256, 1))
"""channels and blocks, the first of which halves the map"""


class RepConv(nn.Module):
    """activation(norm(3x3) + norm(1x1) + norm(x)), the last where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, activation: Activation):
        super().__init__()
        self.wide = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.wide_norm = nn.BatchNorm2d(outputs)
        self.narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.narrow_norm = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.same_norm = nn.BatchNorm2d(inputs) if same else None
        self.activation = activation_of(activation, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = None if self.same_norm is None else normed(x, self.same_norm, None)
        y = normed(self.narrow(x), self.narrow_norm, None, y)
        y = normed(self.wide(x), self.wide_norm, None, y)
        out: Tensor = self.activation(y)
        return out

    @torch.no_grad()
    def folded(self) -> nn.Sequential:
        """The one convolution, as it is in evaluation, and the activation."""
        weight, bias = (sum(parts) for parts in zip(*self._branches()))
        inputs, outputs, stride = self.wide.in_channels, self.wide.out_channels, self.wide.stride[0]
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
        convolution.load_state_dict({"weight": weight, "bias": bias})
        return nn.Sequential(convolution, copy.deepcopy(self.activation))

    def _branches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Weight and bias of each, as 3x3 filters."""
        yield _behind(self.wide_norm, self.wide.weight)
        yield _behind(self.narrow_norm, pad(self.narrow.weight, (1, 1, 1, 1)))
        if self.same_norm is not None:
            channels = self.same_norm.num_features
            same = torch.zeros(channels, channels, 3, 3)
            nn.init.dirac_(same)
            yield _behind(self.same_norm, same.to(self.wide.weight))


def _behind(norm: nn.BatchNorm2d, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The convolution and its norm as one, in double precision: three of them are added."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() * (norm.running_var.double() + norm.eps).rsqrt()
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return weight.double() * scale[:, None, None, None], bias


class RepFace(Tailed):
    """112x112 pictures in [-1, 1] to embeddings that are not yet normalised.

    `width` scales all channels, `depth` the number of blocks.
    """

    def __init__(
        self,
        dim: int = 512,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        activation: Activation = "relu",
    ):
        super().__init__()
        self.dim = dim

        def channels(base: int) -> int:
            return max(16, round(base * width / 16) * 16)

        inputs, blocks = channels(_STEM), list[nn.Module]()
        stem = ConvBlock(3, inputs, 3, stride=2, padding=1, activation=activation)
        for base, count in _STAGES:
            outputs = channels(base)
            for place in range(repeated(count, depth)):
                stride = 2 if place == 0 else 1
                blocks.append(RepConv(inputs, outputs, stride=stride, activation=activation))
                inputs = outputs
        self.layers = nn.Sequential(stem, *blocks)
        tail = channels(_TAIL)
        self.conv_sep = ConvBlock(inputs, tail, activation=activation)
        self.features = GlobalDepthwise(tail, dim)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        return with_tail(x, lambda y: self.features(self.conv_sep(y)), full=self.fp32_tail)

    def folded(self) -> Self:
        """The same network for use only: each block is one convolution."""
        plain = copy.deepcopy(self).eval()
        for place, block in enumerate(plain.layers):
            if isinstance(block, RepConv):
                plain.layers[place] = block.folded()
        return plain


def repface(
    dim: int = 512, *, width: float = 1.0, depth: float = 1.0, activation: Activation = "relu"
) -> RepFace:
    return RepFace(dim, width=width, depth=depth, activation=activation)
