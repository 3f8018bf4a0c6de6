"""Batches made ahead of time, by a thread or by worker processes, in the order of the steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from embedge.errors import EmbedgeError
from embedge.train.data.feeding.ahead import Source, ahead
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.data.feeding.guard import CorruptLog

__all__ = ["feed"]

Say = Callable[[str], None]


def feed(
    source: Source,
    first: int,
    last: int,
    *,
    workers: int = 0,
    corrupt_share: float = 0.001,
    say: Say = print,
) -> Iterator[Batch]:
    """The batches of steps first … last−1, the same for any number of workers.

    Names each corrupt record once, and stops when more than `corrupt_share` of them are corrupt.
    """
    if not isinstance(source, Batches):
        yield from ahead(source, first, last)
        return
    log = CorruptLog(source.faces, corrupt_share)
    for batch in _made(source, first, last, workers):
        for error in log.add(batch.corrupt):
            say(f"  passed over a corrupt record: {error}")
        yield batch


def _made(batches: Batches, first: int, last: int, workers: int) -> Iterator[Batch]:
    if workers == 0:
        yield from ahead(batches, first, last)
        return
    loader = DataLoader(
        _Steps(batches),
        sampler=range(first, last),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4,
        # it draws a number of its own, which must not come out of the training's stream
        generator=torch.Generator(),
        # one thread each: the workers are the parallelism
        worker_init_fn=_one_thread,
    )
    for batch in loader:
        if isinstance(batch, EmbedgeError):
            raise batch
        yield batch


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


@dataclass(frozen=True, slots=True)
class _Steps(Dataset[Batch | EmbedgeError]):
    """A data set whose items are whole batches."""

    batches: Batches

    def __getitem__(self, step: int) -> Batch | EmbedgeError:
        try:
            return self.batches.at(step)
        except EmbedgeError as error:
            return error  # raised again where the user is listening
