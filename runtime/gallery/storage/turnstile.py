"""A lock that whoever lets go of it gets back only after somebody who waits has had it."""

import threading
from _thread import RLock  # the class: threading's is a function
from typing import Self

__all__ = ["Turnstile"]


class Turnstile(RLock):
    """Python's own locks let a busy thread in again and again, past those who wait.

    It is let go of in C: no alarm and no Ctrl-C comes between a block's end and that.
    """

    def __init__(self) -> None:
        self._door = threading.Lock()

    def __enter__(self) -> Self:  # type: ignore[override]
        if self._is_owned():
            self.acquire()
            return self
        try:
            with self._door:
                self.acquire()
        except BaseException:  # an alarm's, that may have come when it was had already
            if self._is_owned():
                self.release()
            raise
        return self

    def forget_who_waits(self) -> None:
        """In the child of a fork, by the thread that has the lock: no other is there."""
        self._door = threading.Lock()
