"""Batch norms that say what a folded convolution says, and keep saying it while they train."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embedge.train.inherit.folded import FoldedConv

__all__ = ["put", "settle_norms"]

_LEAST = 1e-8


def put(layers: nn.Sequential, conv: FoldedConv) -> None:
    """Convolution, norm and perhaps PReLU from a folded one; the norm only adds its bias."""
    plain, norm, *activation = layers
    assert isinstance(plain, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    plain.weight.copy_(conv.weight)
    _make_plain(norm)
    norm.bias.copy_(conv.bias)
    if activation and isinstance(activation[0], nn.PReLU) and conv.slopes is not None:
        activation[0].weight.copy_(conv.slopes)


def _make_plain(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)


def settle_norms(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """The same function, but with the statistics of these pictures in every norm.

    In training a norm divides by what it sees; with its weight at that deviation and its bias at
    that mean it gives back what it was given.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    sums = {norm: [torch.zeros(norm.num_features, dtype=torch.float64)] * 3 for norm in norms}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        rows = inputs[0].double().transpose(0, 1).flatten(1)
        seen = (torch.full_like(rows[:, 0], rows.shape[1]), rows.sum(1), rows.square().sum(1))
        sums[norm] = [old + new for old, new in zip(sums[norm], seen)]  # type: ignore[index]

    handles = [norm.register_forward_hook(look) for norm in norms]
    for batch in batches:
        network(batch)
    for handle in handles:
        handle.remove()
    for norm in norms:
        count, total, squares = sums[norm]
        mean = total / count
        variance = (squares / count - mean.square()).clamp_min(_LEAST)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(((mean - norm.running_mean) * factor).float())
        norm.weight.copy_(((variance + norm.eps).sqrt() * factor).float())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
