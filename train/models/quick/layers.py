"""Batch norm, the activation behind it, and a residual sum or 3x3 depthwise filters, as one step.

A norm's map is read twice and written once, backwards likewise; the slope's gradient is one more
sum of the first reading. torch's own PReLU and batch norm took two thirds of a step. What lies
between a norm and the filters behind it never reaches memory: it is made again row by row,
backwards too, and the next norm's moments are summed while its map is written.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embedge.train.models.quick.compiled import call, prepared

__all__ = ["Moments", "filtered", "normed", "quick"]

_DTYPES = (torch.float32, torch.bfloat16)
_LANES = 16


@dataclass(frozen=True, slots=True)
class Moments:
    """Of every channel over a batch."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, slots=True)
class _Affine:
    """The norm of one batch: x * scale + level; `turn` is one over the deviation."""

    mean: Tensor
    variance: Tensor
    turn: Tensor
    scale: Tensor
    level: Tensor

    @classmethod
    def of(cls, known: Moments, weight: Tensor, bias: Tensor, eps: float) -> "_Affine":
        turn = (known.variance + eps).rsqrt()
        scale = weight * turn
        return cls(known.mean, known.variance, turn, scale, bias - known.mean * scale)


def quick(x: Tensor, norm: nn.Module) -> bool:
    """Whether this map can be trained on with the kernels."""
    return (
        type(norm) is nn.BatchNorm2d
        and norm.training
        and norm.momentum is not None
        and norm.running_mean is not None
        and norm.weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.dtype in _DTYPES
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and prepared()
    )


def normed(
    x: Tensor,
    norm: nn.Module,
    activation: nn.Module | None,
    more: Tensor | None = None,
    known: Moments | None = None,
) -> Tensor:
    """activation(norm(x)), or norm(x) + more; `known` are x's moments where somebody has them."""
    slope = None
    fits = quick(x, norm) and _alike(x, more)
    if fits and activation is not None:
        slope = _slope_of(activation, x)
        fits = slope is not None and more is None
    if not fits:
        y: Tensor = norm(x)
        y = y if activation is None else activation(y)
        return y if more is None else more + y
    assert isinstance(norm, nn.BatchNorm2d)
    mean, variance = (None, None) if known is None else (known.mean, known.variance)
    y, mean, variance = _Normed.apply(  # type: ignore[no-untyped-call]
        x, more, norm.weight, norm.bias, slope, norm.eps, mean, variance
    )
    _remember(norm, Moments(mean, variance), _count_of(x))
    return y


def _slope_of(activation: nn.Module | None, x: Tensor) -> Tensor | None:
    """One a channel; a ReLU has slopes of zero. None for any other activation."""
    match activation:
        case nn.PReLU() if activation.weight.dtype == torch.float32:
            return activation.weight.expand(x.shape[1])
        case nn.ReLU():
            return torch.zeros(x.shape[1])
    return None


def _count_of(x: Tensor) -> int:
    """Places of the whole batch."""
    return x.numel() // x.shape[1]


def _affine(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> _Affine:
    """Summed around the first place's values, so that no square cancels."""
    shift = x[0, :, 0, 0].float().contiguous()
    total = torch.empty(2 * x.shape[1], dtype=torch.float64)
    call("moments", x.dtype, x, shift, *_shape(x), total)
    return _Affine.of(_moments_from(total, shift, _count_of(x)), weight, bias, eps)


def _moments_from(total: Tensor, shift: Tensor, count: int) -> Moments:
    """From sums of x - shift, then of its squares."""
    mean, square = (total / count).chunk(2)
    variance = (square - mean.square()).clamp_min(0)
    return Moments((shift + mean).float(), variance.float())


@torch.no_grad()
def _remember(norm: nn.BatchNorm2d, found: Moments, count: int) -> None:
    """In the norm's running statistics, as it would itself."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.running_mean.lerp_(found.mean, norm.momentum)
    norm.running_var.lerp_(found.variance * (count / max(1, count - 1)), norm.momentum)
    norm.num_batches_tracked.add_(1)


def _through_norm(
    g: Tensor,
    x: Tensor,
    mean: Tensor,
    turn: Tensor,
    scale: Tensor,
    level: Tensor,
    slope: Tensor | None,
    sums: Tensor,
    dots: Tensor,
    into: Tensor | None = None,
) -> None:
    """The gradient of x from that of act(norm(x)); `sums` and `dots` are what `pulled` found."""
    along = -scale * turn.square() * dots / _count_of(x)
    lift = -scale * sums / _count_of(x) - mean * along
    there = g if into is None else into
    call("pushed", x.dtype, g, x, scale, level, slope, along, lift, *_shape(x), there)


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        more: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        slope: Tensor | None,
        eps: float,
        mean: Tensor | None,
        variance: Tensor | None,
    ) -> tuple[Tensor, ...]:
        if mean is None or variance is None:
            of = _affine(x, weight, bias, eps)
        else:
            of = _Affine.of(Moments(mean, variance), weight, bias, eps)
        slope = None if slope is None else slope.contiguous()
        y = torch.empty_like(x)
        call("normed", x.dtype, x, more, of.scale, of.level, slope, *_shape(x), y)
        ctx.save_for_backward(x, of.mean, of.turn, of.scale, of.level, slope)
        found = of.mean.clone(), of.variance.clone()
        ctx.mark_non_differentiable(*found)
        return y, *found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, turn, scale, level, slope = ctx.saved_tensors
        dy = dy.to(x.dtype).contiguous(memory_format=torch.channels_last)
        total = torch.empty(3 * x.shape[1], dtype=torch.float64)
        call("pulled", x.dtype, dy, x, mean, scale, level, slope, *_shape(x), total)
        sums, dots, slopes = total.float().chunk(3)
        dx = torch.empty_like(x)
        _through_norm(dy, x, mean, turn, scale, level, slope, sums, dots, into=dx)
        more = dy if ctx.needs_input_grad[1] else None
        rise = None if slope is None else slopes
        return dx, more, dots * turn, sums, rise, None, None, None


def _alike(x: Tensor, more: Tensor | None) -> bool:
    if more is None:
        return True
    same = more.dtype == x.dtype and more.shape == x.shape
    return same and more.is_contiguous(memory_format=torch.channels_last)


def _shape(x: Tensor) -> tuple[int, int, int]:
    return _count_of(x), x.shape[1], torch.get_num_threads()


def filtered(
    x: Tensor, norm: nn.Module, activation: nn.Module | None, filters: nn.Conv2d, after: nn.Module
) -> tuple[Tensor, Moments] | None:
    """filters(activation(norm(x))) and its moments for the norm `after` it; None where only the
    plain layers can do it."""
    if not quick(x, norm) or not _fits(filters) or type(after) is not type(norm):
        return None
    slope = _slope_of(activation, x)
    if slope is None:
        return None
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(after, nn.BatchNorm2d)
    shift = after.running_mean
    assert shift is not None
    y, mean, variance, mean_after, variance_after = _Filtered.apply(  # type: ignore[no-untyped-call]
        x, norm.weight, norm.bias, slope, norm.eps, filters.weight, shift, filters.stride[0]
    )
    _remember(norm, Moments(mean, variance), _count_of(x))
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
        count, width, height, side = x.shape
        before = _affine(x, weight, bias, eps)
        slope, taps = slope.contiguous(), filters.reshape(width, 9).T.contiguous()
        outputs = count, width, (height - 1) // stride + 1, (side - 1) // stride + 1
        y = torch.empty(outputs, dtype=x.dtype, memory_format=torch.channels_last)
        total = torch.empty(2 * width, dtype=torch.float64)
        maps = before.mean, before.scale, before.level, slope
        call("filtered", x.dtype, x, *maps, taps, shift, *_filter_shape(x, stride), y, total)
        ctx.save_for_backward(x, *maps, before.turn, taps)
        ctx.stride = stride
        after = _moments_from(total, shift, _count_of(y))
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
        call("unfiltered", x.dtype, dy, x, *maps, taps, *_filter_shape(x, ctx.stride), g, total)
        filters = total[: 9 * width].float().view(9, width).T.reshape(width, 1, 3, 3)
        sums, dots, slopes = total[9 * width :].float().split(width)
        _through_norm(g, x, mean, turn, scale, level, None, sums, dots)
        return g, dots * turn, sums, slopes, None, filters, None, None


def _filter_shape(x: Tensor, stride: int) -> tuple[int, ...]:
    count, width, height, side = x.shape
    return count, height, side, width, stride, torch.get_num_threads()
