"""Batches made ahead of time, by a thread or by worker processes, in the order of the steps."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import SIDE
from embedge.train.data.feeding.batches import Batch, Batches, share_of
from embedge.train.data.feeding.pictures import CorruptLog

__all__ = ["Source", "ahead_of", "cores", "feed", "made_ahead", "readers", "share_with"]

_FACE_BYTES = SIDE * SIDE * 3
_PREPARED_BYTES = 1 << 30

Say = Callable[[str], None]
Item = TypeVar("Item", covariant=True)


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
    rows = source.size // source.world
    for batch in made_ahead(source, first, last, workers=workers, rows=rows):
        for error in log.add(batch.corrupt):
            say(f"  passed over a corrupt record: {error}")
        yield batch


def made_ahead(
    source: "Made[Item]", first: int, last: int, *, workers: int, rows: int
) -> Iterator[Item]:
    """`source.at(step)` of steps first … last−1, of `rows` pictures each, made while others are
    used: by a thread, or by worker processes that `source` travels to."""
    if workers == 0:
        yield from _ahead(source, first, last)
        return
    loader = DataLoader(
        _Steps(source),
        sampler=range(first, last),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=ahead_of(rows, workers),
        # it draws a number of its own, which must not come out of the training's stream
        generator=torch.Generator(),
        # one thread each: the workers are the parallelism
        worker_init_fn=_one_thread,
    )
    try:
        for item in loader:
            if isinstance(item, EmbedgeError):
                raise item
            yield item
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise _reader_died(str(error)) from error


def cores() -> int:
    """Those that this process may use: a scheduler may have given it a part of the machine."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def readers(device: str, cores: int, processes: int) -> int:
    """How many processes read ahead for one of `processes` that a machine's GPUs are fed by."""
    return max(1, (cores - processes) // processes) if device == "cuda" else 0


def ahead_of(rows: int, workers: int) -> int:
    """Batches of so many rows that each worker prepares: as many as fit, one to a few."""
    return max(1, min(4, _PREPARED_BYTES // (workers * rows * _FACE_BYTES)))


def _reader_died(what: str) -> EmbedgeError:
    """As the kernel ends one that finds no memory, or no room in /dev/shm for its batches."""
    return EmbedgeError(
        "E-READER",
        f"a process that reads ahead has ended: {what.partition(chr(10))[0]}",
        remedy="Set train.workers to fewer of them, or give the container more shared memory"
        " (docker run --shm-size); what was trained is kept, and the same command goes on",
    )


def _ahead(source: "Made[Item]", first: int, last: int) -> Iterator[Item]:
    """One more than asked for is ever made, while the network works on the one before."""
    if first >= last:
        return
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(source.at, first)
        for step in range(first + 1, last):
            item = coming.result()
            coming = thread.submit(source.at, step)
            yield item
        yield coming.result()


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


class Made(Protocol[Item]):
    """Anything as a function of the step."""

    def at(self, step: int) -> Item: ...


@dataclass(frozen=True, slots=True)
class _Steps(Dataset[Item | EmbedgeError]):
    """A data set whose items are whole batches."""

    source: Made[Item]

    def __getitem__(self, step: int) -> Item | EmbedgeError:
        try:
            return self.source.at(step)
        except EmbedgeError as error:
            return error  # raised again where the user is listening
