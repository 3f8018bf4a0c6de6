"""How a loss reads a head: by Triton on a GPU, else by torch."""

import functools
import logging
import os
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.optional import available
from embedge.train.head.streamed.blocks import (
    ClassBlocks,
    NegativeSums,
    full_precision,
    streamed_sums,
)

__all__ = ["Kernel", "Reading", "negative_sums"]

Kernel = Literal["auto", "torch", "triton"]

_log = logging.getLogger("embedge.head")
_HALVES = (torch.float16, torch.bfloat16)
_WIDEST = 1024


def negative_sums(
    unit: Tensor,
    blocks: ClassBlocks,
    labels: Tensor,
    scale: float,
    *,
    kernel: Kernel,
) -> NegativeSums:
    """Per sample over all classes but its own: largest logit, Σ exp, Σ exp·row.

    A label of −1 masks nothing.
    """
    weight = blocks.weight
    if _chosen(kernel, unit.device.type, weight.dtype, unit.dtype, weight.shape[1]) == "triton":
        from embedge.train.head.triton.sums import triton_sums

        return triton_sums(unit, blocks, labels, scale)
    return streamed_sums(unit, blocks, labels, scale)


@functools.cache
def _chosen(
    asked: Kernel, device: str, head: torch.dtype, arithmetic: torch.dtype, dim: int
) -> Literal["torch", "triton"]:
    """Decided, and logged, once per kind of problem."""
    obstacle = "as asked" if asked == "torch" else _obstacle(asked, device, head, arithmetic, dim)
    if asked == "triton" and obstacle:
        raise EmbedgeError(
            "E-HEAD-KERNEL",
            f"the Triton kernel cannot run here: {obstacle}",
            remedy="Choose the kernel 'auto', which uses torch where Triton cannot run",
        )
    choice: Literal["torch", "triton"] = "torch" if obstacle else "triton"
    _log.info(
        "head %s × %d on %s: %s kernel%s",
        str(head).removeprefix("torch."),
        dim,
        device,
        choice,
        f" ({obstacle})" if obstacle else "",
    )
    return choice


def _obstacle(
    asked: Kernel, device: str, head: torch.dtype, arithmetic: torch.dtype, dim: int
) -> str | None:
    """Why Triton cannot run. Its interpreter counts only where Triton was asked for by name."""
    interpreter = asked == "triton" and os.environ.get("TRITON_INTERPRET") == "1"
    if device != "cuda" and not interpreter:
        return f"Triton needs a GPU, and the tensors are on the {device}"
    if not available("triton"):
        return "the package triton is not installed"
    if arithmetic != torch.float32 or head not in (torch.float32, *_HALVES):
        return f"Triton's kernel does not compute in {str(arithmetic).removeprefix('torch.')}"
    if asked == "auto" and head == torch.float32:
        return "its tiles of a float32 head spill registers: cuBLAS block by block is faster"
    if dim > _WIDEST:
        return f"{dim} dimensions are more than the {_WIDEST} of Triton's kernel"
    return None


@dataclass(frozen=True, slots=True)
class Reading:
    """Block size, whether rows have length 1, and which kernel."""

    block: int | None
    normalised: bool
    kernel: Kernel

    def blocks(self, weight: Tensor, unit: Tensor) -> ClassBlocks:
        return ClassBlocks.of(weight, len(unit), self.block, self.normalised, unit.dtype)

    def sums(
        self,
        unit: Tensor,
        weight: Tensor,
        labels: Tensor,
        scale: float,
    ) -> tuple[NegativeSums, Tensor]:
        """The negatives' sums over all classes, and the samples' own rows.

        A label of −1 belongs to no class; its row is zero.
        """
        blocks = self.blocks(weight, unit)
        with full_precision(unit):
            sums = negative_sums(unit, blocks, labels, scale, kernel=self.kernel)
            return sums, _own_rows(blocks, labels)


def _own_rows(blocks: ClassBlocks, labels: Tensor) -> Tensor:
    """Rows of the samples' classes; zero for a sample without one."""
    return blocks.rows(labels.clamp_min(0)) * (labels >= 0)[:, None]
