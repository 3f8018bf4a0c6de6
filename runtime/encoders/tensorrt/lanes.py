"""A pool of lanes: each caller has one to itself, further ones wait, and none outlives closing."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from embedge.runtime.closing import closed_error

__all__ = ["LanePool"]

Lane = TypeVar("Lane")


class LanePool(Generic[Lane]):
    """Lends lanes. `drain` waits for those that are out and turns every waiting caller away."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._free = list(lanes)
        self._out = 0
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def lent(self) -> Iterator[Lane]:
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._draining)
            if self._draining:
                raise closed_error("encoder")
            lane = self._free.pop()
            self._out += 1
        try:
            yield lane
        finally:
            with self._changed:
                self._out -= 1
                self._free.append(lane)
                self._changed.notify_all()

    def drain(self) -> list[Lane]:
        """Every lane, once nobody uses one any more; empty for whoever asks second."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._out == 0)
            lanes, self._free = self._free, []
            return lanes
