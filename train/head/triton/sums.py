"""Start the Triton kernel and join its shares of the classes."""

import torch
import triton
from torch import Tensor

from embedge.train.head.streamed.blocks import ClassBlocks, NegativeSums, join_sums
from embedge.train.head.triton.kernel import negatives_kernel, tuned_kernel

__all__ = ["needs_rest", "triton_sums"]

_NARROWEST = 16  # the smallest side of a matrix product on tensor cores
_TILE = 64
_WAVES = 2
_WIDEST_WITH_REST = 256
_INTERPRETED_TILE = {"SAMPLES": 16, "CLASSES": 16}


def triton_sums(unit: Tensor, blocks: ClassBlocks, labels: Tensor, scale: float) -> NegativeSums:
    """As `streamed_sums`; the head's own precision feeds the tensor cores, sums are float32."""
    weight = blocks.weight.contiguous()
    rounded = unit.to(weight.dtype).contiguous()
    lost = unit - rounded
    half = weight.dtype == torch.bfloat16
    rest = lost.to(weight.dtype) if needs_rest(half, unit.shape[1]) else None
    batch, dim = unit.shape
    parts, share = _shares(unit, len(weight))
    largest, total = unit.new_empty(parts, batch), unit.new_empty(parts, batch)
    rows = unit.new_empty(parts, batch, dim)
    lengths = None if blocks.normalised else _inverse_lengths(blocks)
    width = max(triton.next_power_of_2(dim), _NARROWEST)
    arguments = (
        (rounded, rest, weight, labels.contiguous(), lengths, largest, total, rows),
        (batch, len(weight), share, float(scale)),
    )
    options = {
        "dim": dim,
        "HAS_REST": rest is not None,
        "HAS_LENGTH": lengths is not None,
        "PRECISION": "tf32x3" if weight.dtype == torch.float32 else "tf32",
        "WIDEN": _interpreted(),
        "WIDTH": width,
    }
    if _interpreted():
        grid = (triton.cdiv(batch, _INTERPRETED_TILE["SAMPLES"]), parts)
        negatives_kernel[grid](*arguments[0], *arguments[1], **options, **_INTERPRETED_TILE)
    else:
        with torch.cuda.device(unit.device):
            tuned_kernel(width)[lambda tile: (triton.cdiv(batch, tile["SAMPLES"]), parts)](
                *arguments[0], *arguments[1], **options
            )
    sums = join_sums(largest, total, rows)
    return _without_rounding(sums, lost if rest is None else lost - rest, scale)


def _interpreted() -> bool:
    """Whether TRITON_INTERPRET=1 runs kernels on the CPU."""
    return bool(triton.knobs.runtime.interpret)


def needs_rest(bfloat16: bool, dim: int) -> bool:
    """Rounding errors of a logit fall with the root of the dimension; few need a second product."""
    return bfloat16 and dim <= _WIDEST_WITH_REST


def _without_rounding(sums: NegativeSums, lost: Tensor, scale: float) -> NegativeSums:
    """Give the log-sum-exp back, to first order, what the embeddings lost by rounding.

    Its gradient is the mean row, which is at hand. Without this a bfloat16 head would cost the
    loss, and with it every sample's weight, three digits.
    """
    sums.largest += scale * (lost * sums.mean_rows()).sum(dim=1)
    return sums


def _shares(unit: Tensor, classes: int) -> tuple[int, int]:
    """Enough programs for the machine: parts of the classes, and the classes in one part."""
    processors = 2
    if unit.is_cuda:
        processors = torch.cuda.get_device_properties(unit.device).multi_processor_count
    wanted = triton.cdiv(_WAVES * processors, triton.cdiv(len(unit), _TILE))
    share = triton.cdiv(triton.cdiv(classes, wanted), 128) * 128
    return triton.cdiv(classes, share), share


def _inverse_lengths(blocks: ClassBlocks) -> Tensor:
    lengths = [
        blocks.weight[low : low + blocks.size].to(blocks.dtype).norm(dim=1)
        for low in range(0, len(blocks.weight), blocks.size)
    ]
    return torch.cat(lengths).clamp_min_(1e-12).reciprocal_()
