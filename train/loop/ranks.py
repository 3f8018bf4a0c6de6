"""Several processes as one: what each rank must agree on, and nothing where there is only one."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather
from torch.nn.parallel import DistributedDataParallel

from embedge.errors import EmbedgeError
from embedge.printed import counted

__all__ = [
    "agreed",
    "asked_for",
    "barrier",
    "dismiss",
    "equalised",
    "everybodys",
    "gathered",
    "joined",
    "launched",
    "local_rank",
    "rank",
    "together_here",
    "unsent",
    "world",
    "wrapped",
]

Result = TypeVar("Result")

# the others wait while the first rank renders faces or asks the teacher about millions of them
_PATIENCE = timedelta(days=2)


@contextmanager
def joined(device: str = "cpu") -> Iterator[None]:
    """Be one of the processes that torchrun started; alone where it started none.

    Without a GPU nobody is refused here: whoever asks for one is told by `device_named`.
    """
    if asked_for() == 1:
        yield
        return
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    if gpus:
        _take_gpu(local_rank(), gpus)
    # gloo beside nccl: what ranks tell each other about their work lies in ordinary memory
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if not _is_of_others(error):
            raise
        raise _alone(error) from error
    finally:
        dismiss()


def _take_gpu(mine: int, there: int) -> None:
    """Each process has one of its own."""
    if there <= mine:
        raise EmbedgeError(
            "E-NO-GPU",
            f"process {mine + 1} of this machine has no GPU of its own:"
            f" {counted(there, 'is', 'are')} there",
            remedy=f"Start {there} with torchrun --nproc-per-node {there}",
        )
    torch.cuda.set_device(mine)


def dismiss() -> None:
    """What follows is the work of one process; each is alone from here on."""
    if _together():
        distributed.destroy_process_group()


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    return distributed.get_rank() if _together() else 0


def launched() -> int:
    """The rank that torchrun gave this process, joined or not; 0 where it was not torchrun."""
    return int(os.environ.get("RANK", "0"))


def asked_for() -> int:
    """How many processes torchrun started, joined or not."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Which of this machine's GPUs is mine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def together_here() -> int:
    """How many of the processes that train together share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world() > 1 else 1


def barrier() -> None:
    """Wait until every rank is here."""
    if world() > 1:
        distributed.barrier()


def agreed(work: Callable[[], Result]) -> Result:
    """What rank 0's `work()` gave, on every rank; likewise the user's mistake that it raised."""
    if world() == 1:
        return work()
    told: list[Any] = [None, None]
    failed: Exception | None = None
    if rank() == 0:
        try:
            told = [work(), None]
        except EmbedgeError as error:
            told = [None, error]
        except Exception as error:  # the others must not wait for ever
            failed = error
            told = [None, _lost(error)]
    distributed.broadcast_object_list(told, src=0)
    answer, mistake = told
    if failed is not None:
        raise failed
    if mistake is not None:
        raise mistake
    found: Result = answer
    return found


def _lost(error: BaseException) -> EmbedgeError:
    return EmbedgeError(
        "E-RANK",
        f"the first process stopped: {type(error).__name__}: {error}",
        remedy="Read its own message, then run the same command: it resumes what was finished",
    )


def _is_of_others(error: RuntimeError) -> bool:
    """gloo tells only by its words that the other end is gone."""
    gone = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
    return isinstance(error, distributed.DistError) or any(one in str(error) for one in gone)


def _alone(error: RuntimeError) -> EmbedgeError:
    return EmbedgeError(
        "E-RANK",
        f"another process stopped while this one waited for it: {str(error).partition(chr(10))[0]}",
        remedy="Read that one's message, then run the same command: it resumes what was finished",
    )


def gathered(rows: Tensor) -> Tensor:
    """Every rank's rows, in the order of the ranks; without gradient. All ranks bring as many."""
    if world() == 1:
        return rows
    rows = rows.contiguous()
    parts = [torch.empty_like(rows) for _ in range(world())]
    distributed.all_gather(parts, rows)
    return torch.cat(parts)


def everybodys(rows: Tensor) -> Tensor:
    """Every rank's rows, with gradient: a loss that each rank computes of all of them counts once
    when the ranks' gradients are averaged, as one process with the whole batch has it."""
    return rows if world() == 1 else torch.cat(all_gather(rows.contiguous()))


def wrapped(module: nn.Module, device: torch.device) -> nn.Module:
    """The module, its gradients averaged over the ranks while they are being made."""
    if world() == 1 or not any(p.requires_grad for p in module.parameters()):
        return module
    mine = [device] if device.type == "cuda" else None
    with catch_warnings():
        # torch says that a successor is coming, and that it does not do this yet: it still
        # overwrites, at the start, the running figures that each rank keeps for itself
        filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return DistributedDataParallel(
            module, device_ids=mine, broadcast_buffers=False, gradient_as_bucket_view=True
        )


@contextmanager
def unsent(*modules: nn.Module) -> Iterator[None]:
    """Gradients are added up here and exchanged with those of the next backward pass."""
    with ExitStack() as held:
        for module in modules:
            if isinstance(module, DistributedDataParallel):
                held.enter_context(module.no_sync())
        yield


def equalised(tensors: Iterable[Tensor]) -> None:
    """Every rank takes over what the first one holds."""
    if world() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)


def averaged(values: Tensor) -> Tensor:
    """Over the ranks, each of which worked an equal share."""
    if world() > 1:
        distributed.all_reduce(values)
        values /= world()
    return values


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
