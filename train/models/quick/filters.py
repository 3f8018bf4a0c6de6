"""A norm, its activation and 3x3 depthwise filters behind it as one step of training.

What lies between them never reaches memory: it is made again row by row, backwards too, and the
next norm's moments are summed while its map is written.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embedge.train.models.quick.compiled import call
from embedge.train.models.quick.norm import (
    Moments,
    affine,
    count_of,
    moments_from,
    quick,
    remember,
    slope_of,
    through_norm,
)

__all__ = ["filtered"]

_LANES = 16


@dataclass(frozen=True, slots=True)
class _Geometry:
    stride: int

    def of(self, x: Tensor) -> tuple[int, ...]:
        count, width, height, side = x.shape
        return count, height, side, width, self.stride, torch.get_num_threads()

    def outputs(self, x: Tensor) -> tuple[int, ...]:
        count, width, height, side = x.shape
        return count, width, (height - 1) // self.stride + 1, (side - 1) // self.stride + 1


def filtered(
    x: Tensor, norm: nn.Module, activation: nn.Module | None, filters: nn.Conv2d, after: nn.Module
) -> tuple[Tensor, Moments] | None:
    """filters(activation(norm(x))) and its moments for the norm `after` it; None where only the
    plain layers can do it."""
    if not quick(x, norm) or not _fits(filters) or type(after) is not type(norm):
        return None
    slope = slope_of(activation, x)
    if slope is None:
        return None
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(after, nn.BatchNorm2d)
    shift = after.running_mean
    assert shift is not None
    y, mean, variance, mean_after, variance_after = _Filtered.apply(  # type: ignore[no-untyped-call]
        x, norm.weight, norm.bias, slope, norm.eps, filters.weight, shift, filters.stride[0]
    )
    remember(norm, Moments(mean, variance), count_of(x))
    return y, Moments(mean_after, variance_after)


def _fits(filters: nn.Conv2d) -> bool:
    shape = filters.weight.shape
    return (
        shape[1:] == (1, 3, 3)
        and shape[0] == filters.groups
        and shape[0] % _LANES == 0
        and filters.padding == (1, 1)
        and filters.stride in ((1, 1), (2, 2))
        and filters.bias is None
        and filters.weight.dtype == torch.float32
    )


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        slope: Tensor,
        eps: float,
        filters: Tensor,
        shift: Tensor,
        stride: int,
    ) -> tuple[Tensor, ...]:
        of, width = _Geometry(stride), x.shape[1]
        before = affine(x, weight, bias, eps)
        slope, taps = slope.contiguous(), filters.reshape(width, 9).T.contiguous()
        y = torch.empty(of.outputs(x), dtype=x.dtype, memory_format=torch.channels_last)
        total = torch.empty(2 * width, dtype=torch.float64)
        maps = before.mean, before.scale, before.level, slope
        call("filtered", x.dtype, x, *maps, taps, shift, *of.of(x), y, total)
        ctx.save_for_backward(x, *maps, before.turn, taps)
        ctx.of = of
        after = moments_from(total, shift, count_of(y))
        given = before.mean, before.variance, after.mean, after.variance
        ctx.mark_non_differentiable(*given)
        return y, *given

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, scale, level, slope, turn, taps = ctx.saved_tensors
        dy, width = dy.to(x.dtype).contiguous(memory_format=torch.channels_last), x.shape[1]
        g, total = torch.empty_like(x), torch.empty(12 * width, dtype=torch.float64)
        maps = mean, scale, level, slope
        call("unfiltered", x.dtype, dy, x, *maps, taps, *ctx.of.of(x), g, total)
        filters = total[: 9 * width].float().view(9, width).T.reshape(width, 1, 3, 3)
        sums, dots, slopes = total[9 * width :].float().split(width)
        through_norm(g, x, mean, turn, scale, level, None, sums, dots)
        return g, dots * turn, sums, slopes, None, filters, None, None
