"""Things that hold a session, a file or a GPU, and let go of it at the end of a with block."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from embedge.errors import EmbedgeError

__all__ = ["Closing", "Spares", "closed_error"]

One = TypeVar("One")


class Closing(ABC):
    """A context manager that closes itself."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go; what is closed already stays closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Spares(Generic[One]):
    """What holds the state of one call at a time: as many as there were calls at one time."""

    def __init__(self, make: Callable[[], One]) -> None:
        self._make: Callable[[], One] | None = make
        self._idle: deque[One] = deque()

    @contextmanager
    def lent(self) -> Iterator[One]:
        make, idle = self._make, self._idle
        if make is None:
            raise closed_error("encoder")
        try:
            one = idle.pop()
        except IndexError:
            one = make()
        try:
            yield one
        finally:
            idle.append(one)

    def close(self) -> None:
        """Let go of all of them; calls under way end with their answer."""
        self._make, self._idle = None, deque()


def closed_error(what: str) -> EmbedgeError:
    return EmbedgeError("E-CLOSED", f"this {what} is closed", remedy="Use it inside its with block")
