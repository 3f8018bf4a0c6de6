"""Several processes as one: what each rank must agree on, and nothing where there is only one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed

__all__ = ["average_gradients", "barrier", "gathered", "joined", "local_rank", "rank", "world"]


@contextmanager
def joined(device: str = "cpu") -> Iterator[None]:
    """Be one of the processes that torchrun started; alone where it started none."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    return distributed.get_rank() if _together() else 0


def local_rank() -> int:
    """Which of this machine's GPUs is mine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def barrier() -> None:
    """Wait until every rank is here."""
    if world() > 1:
        distributed.barrier()


def gathered(rows: Tensor) -> Tensor:
    """Every rank's rows, in the order of the ranks; without gradient. All ranks bring as many."""
    if world() == 1:
        return rows
    rows = rows.contiguous()
    parts = [torch.empty_like(rows) for _ in range(world())]
    distributed.all_gather(parts, rows)
    return torch.cat(parts)


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Every rank ends with the mean of all ranks' gradients, in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if world() == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= world()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
