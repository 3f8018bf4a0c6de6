"""Batches made ahead of time, by a thread or by worker processes, in the order of the steps."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from embedge.errors import EmbedgeError
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.data.feeding.pictures import CorruptLog

__all__ = ["Source", "feed"]

Say = Callable[[str], None]


class Source(Protocol):
    """Batches as a function of the step."""

    @property
    def seed(self) -> int: ...
    def at(self, step: int) -> Batch: ...


def feed(
    source: Source,
    first: int,
    last: int,
    *,
    workers: int,
    say: Say,
) -> Iterator[Batch]:
    """The batches of steps first … last−1, the same for any number of workers.

    Names each corrupt record once, and stops when there are more of them than may be.
    """
    if not isinstance(source, Batches):
        yield from _ahead(source, first, last)
        return
    log = CorruptLog(source.faces)
    for batch in _made(source, first, last, workers):
        for error in log.add(batch.corrupt):
            say(f"  passed over a corrupt record: {error}")
        yield batch


def _made(batches: Batches, first: int, last: int, workers: int) -> Iterator[Batch]:
    if workers == 0:
        yield from _ahead(batches, first, last)
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


def _ahead(batches: Source, first: int, last: int) -> Iterator[Batch]:
    """One more than asked for is ever made, while the network works on the one before."""
    if first >= last:
        return
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(batches.at, first)
        for step in range(first + 1, last):
            batch = coming.result()
            coming = thread.submit(batches.at, step)
            yield batch
        yield coming.result()


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
