"""How much a whole proof unpacks and how long it takes, and what it therefore did not look into."""

import errno
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["LARGEST", "LONGEST", "Effort", "Spent"]

_Part = TypeVar("_Part")

LARGEST = 256 << 20  # bytes of a file, and of all that is unpacked
LONGEST = 600.0  # seconds


class Spent(OSError):
    """There is no more of it: the search of a file ends."""


@dataclass(slots=True)
class Effort:
    """`closed` are what nobody looked into, and why."""

    left: int = field(default_factory=lambda: LARGEST)
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST)
    closed: dict[str, str] = field(default_factory=dict)

    def again(self) -> "Effort":
        """For reading the same once more, within the same time."""
        return Effort(until=self.until)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            why = f"not looked into: more than {LARGEST >> 20} MiB to unpack in all"
            raise Spent(errno.E2BIG, why)
        self.tick()

    def tick(self) -> None:
        if time.monotonic() > self.until:
            raise Spent(errno.ETIME, f"not looked into within {LONGEST:.0f} seconds")

    def timely(self, parts: Iterable[_Part]) -> Iterator[_Part]:
        for part in parts:
            self.tick()
            yield part
