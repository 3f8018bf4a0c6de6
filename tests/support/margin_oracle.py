"""A margin as autograd sees it, for losses that are written out in full."""

from typing import Any

import torch
from torch import Tensor

from embedge.train.head.margins import Margin

__all__ = ["Psi"]


class Psi(torch.autograd.Function):
    """psi forward, its stated slope backward."""

    @staticmethod
    def forward(ctx: Any, cosine: Tensor, margin: Margin) -> Tensor:
        psi, slope = margin.on_target(cosine)
        ctx.save_for_backward(slope)
        return psi

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * ctx.saved_tensors[0], None
