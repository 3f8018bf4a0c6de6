"""Batch norm over the batch of all ranks, on any device.

torch's SyncBatchNorm needs a GPU; this one needs only collectives, so two processes on a CPU can
be shown to train exactly as one.
"""

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["synced"]


class _Statistics:
    """Mean and variance over the batch and the places of all ranks."""

    @staticmethod
    def of(x: Tensor) -> tuple[Tensor, Tensor, int]:
        axes = [0, *range(2, x.ndim)]
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean = all_reduce(x.sum(axes)) / count
        centred = x - mean.view(_shape(x))
        return mean, all_reduce(centred.square().sum(axes)) / count, count


def _shape(x: Tensor) -> list[int]:
    return [1, -1, *[1] * (x.ndim - 2)]


class SyncedNorm(nn.Module):
    """Stands in for a batch norm and shares its parameters and running statistics."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        self.eps, self.momentum = norm.eps, norm.momentum or 0.1
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        full = x.float()
        mean, variance, count = _Statistics.of(full)
        self._remember(mean.detach(), variance.detach() * (count / max(1, count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shape = _shape(x)
        return ((full - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked.add_(1)


def synced(network: nn.Module) -> nn.Module:
    """The same network with batch norms that look at all ranks; weights are shared, not copied."""
    import copy

    memo = {id(t): t for t in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, memo)
    for parent in list(twin.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, SyncedNorm(child))
    return twin
