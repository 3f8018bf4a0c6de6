"""A network through torch.compile where this machine can, and as it is where it cannot."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["UNCOMPILED", "Compiled"]

UNCOMPILED = "torch.compile fails here"


class Compiled:
    """Decided at the first batch, and told where it is decided against."""

    def __init__(self, network: nn.Module, say: Callable[[str], None]):
        self._network, self._say = network, say
        self._chosen: Callable[[Tensor], Any] = torch.compile(network)
        self._tried = False

    def __call__(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self._chosen(images) if self._tried else self._first(images)
        return embeddings

    def _first(self, images: Tensor) -> Any:
        self._tried = True
        try:
            return self._chosen(images)
        except Exception as error:  # of a compiler, any; the network's own comes again below
            self._chosen = self._network
            embeddings = self._network(images)
            why = str(error).strip().partition("\n")[0][:120]
            self._say(f"  {UNCOMPILED} ({why}): the training goes on without")
            return embeddings
