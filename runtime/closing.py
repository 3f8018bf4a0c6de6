"""Things that hold a session, a file or a GPU, and let go of it at the end of a with block."""

from abc import ABC, abstractmethod
from typing import Self

from embedge.errors import EmbedgeError

__all__ = ["Closing", "closed_error"]


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


def closed_error(what: str) -> EmbedgeError:
    return EmbedgeError("E-CLOSED", f"this {what} is closed", remedy="Use it inside its with block")
