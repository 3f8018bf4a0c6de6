"""The next batch is made while the network works on this one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from embedge.train.data.feeding.batches import Batch

__all__ = ["Source", "ahead"]


class Source(Protocol):
    """Batches as a function of the step."""

    @property
    def seed(self) -> int: ...
    def at(self, step: int) -> Batch: ...


def ahead(batches: Source, first: int, last: int) -> Iterator[Batch]:
    """The batches of steps first … last−1, in order; one more than asked for is ever made."""
    if first >= last:
        return
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(batches.at, first)
        for step in range(first + 1, last):
            batch = coming.result()
            coming = thread.submit(batches.at, step)
            yield batch
        yield coming.result()
