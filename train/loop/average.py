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
        """In a handful of launches, however many tensors there are."""
        if not self.weights:
            return
        state, decay = network.state_dict(), min(self.decay, (1 + step) / (10 + step))
        floats = [name for name, kept in self.weights.items() if kept.is_floating_point()]
        counts = [name for name, kept in self.weights.items() if not kept.is_floating_point()]
        torch._foreach_lerp_(self._kept(floats), [state[name] for name in floats], 1 - decay)
        if counts:
            torch._foreach_copy_(self._kept(counts), [state[name] for name in counts])

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Take over what a file held, on the device where the average lives."""
        for name, kept in self.weights.items():
            kept.copy_(weights[name])

    def _kept(self, names: list[str]) -> list[Tensor]:
        return [self.weights[name] for name in names]

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
