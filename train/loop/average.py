"""Exponential moving average of a network's weights, BN statistics included."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """`decay` 0 keeps no average; early steps use a shorter memory so that noise washes out."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.weights: dict[str, Tensor] = (
            {name: value.clone() for name, value in network.state_dict().items()} if decay else {}
        )

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if not self.weights:
                return
            kept = self.weights[name]
            if kept.is_floating_point():
                kept.lerp_(value, 1 - decay)
            else:
                kept.copy_(value)

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Put the average into the network for a while."""
        if not self.weights:
            yield
            return
        own = {name: value.clone() for name, value in network.state_dict().items()}
        self.write_to(network)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def write_to(self, network: nn.Module) -> None:
        if self.weights:
            network.load_state_dict(self.weights)
