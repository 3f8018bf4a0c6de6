"""Batches made ahead of time, by a thread or by worker processes, in the order of the steps."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import SIDE
from embedge.train.data.feeding.batches import Batch, Batches, share_of
from embedge.train.data.feeding.pictures import CorruptLog

__all__ = ["Source", "ahead_of", "feed", "share_with"]

_FACE_BYTES = SIDE * SIDE * 3
_PREPARED_BYTES = 1 << 30

Say = Callable[[str], None]


class Source(Protocol):
    """Batches as a function of the step."""

    @property
    def seed(self) -> int: ...
    def at(self, step: int) -> Batch: ...


@dataclass(frozen=True, slots=True)
class _Part:
    """A rank's rows of what is made whole."""

    source: Source
    rank: int
    world: int

    @property
    def seed(self) -> int:
        return self.source.seed

    def at(self, step: int) -> Batch:
        batch = self.source.at(step)
        return batch[share_of(len(batch.labels), self.rank, self.world)]


def share_with(source: Source, rank: int, world: int) -> Source:
    """What one of several ranks is fed; pictures are decoded by the rank that learns from them."""
    if world == 1:
        return source
    return source.share(rank, world) if isinstance(source, Batches) else _Part(source, rank, world)


def feed(
    source: Source,
    first: int,
    last: int,
    *,
    workers: int,
    say: Say,
    pin: bool = False,
) -> Iterator[Batch]:
    """The batches of steps first … last−1, the same for any number of workers.

    Names each corrupt record once, and stops when there are more of them than may be. `pin` puts
    them where a GPU can fetch them.
    """
    for batch in _checked(source, first, last, workers, say):
        yield batch.pinned() if pin else batch


def _checked(source: Source, first: int, last: int, workers: int, say: Say) -> Iterator[Batch]:
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
        prefetch_factor=ahead_of(batches.size // batches.world, workers),
        # it draws a number of its own, which must not come out of the training's stream
        generator=torch.Generator(),
        # one thread each: the workers are the parallelism
        worker_init_fn=_one_thread,
    )
    for batch in loader:
        if isinstance(batch, EmbedgeError):
            raise batch
        yield batch


def ahead_of(rows: int, workers: int) -> int:
    """Batches of so many rows that each worker prepares: as many as fit, one to a few."""
    return max(1, min(4, _PREPARED_BYTES // (workers * rows * _FACE_BYTES)))


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
