"""The last layers of a network, which may be computed in full precision behind a rounded trunk."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

__all__ = ["Tailed", "with_tail"]


class Tailed(nn.Module):
    """A network that makes its embedding in a tail behind the trunk."""

    fp32_tail = False
    dim: int
    """of the embedding"""

    def folded(self) -> Self:
        """The network for use only, where it learns in another form."""
        return self


def with_tail(x: Tensor, tail: Callable[[Tensor], Tensor], *, full: bool) -> Tensor:
    """`tail(x)`; if `full` in float32 whatever autocast says around it, as arcface_torch does."""
    if not full:
        return tail(x)
    with torch.autocast(x.device.type, enabled=False):
        return tail(x.float())
