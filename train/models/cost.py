"""What a network costs: parameters and multiply-accumulates."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["NetworkCost", "macs_of", "parameters_of"]


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """`macs` are those of one picture, None where they cannot be counted."""

    parameters: int
    macs: int | None

    @classmethod
    def of(cls, network: nn.Module) -> "NetworkCost":
        return cls(parameters_of(network), macs_of(network))


def parameters_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def macs_of(network: nn.Module, size: int = 112) -> int:
    """Multiply-accumulates of convolutions and linear layers for one picture."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        places = output[0].numel() // layer.weight.shape[0]
        total += places * layer.weight.numel()

    handles = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    training = network.training
    device = next(network.parameters()).device
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, size, size, device=device))
    network.train(training)
    for handle in handles:
        handle.remove()
    return total
