"""A lock that whoever lets go of it gets back only after somebody who waits has had it.

Whoever has it and asks for it again is refused: a signal's handler, a finalizer or a callback that
calls the gallery came in the midst of a call of the same thread's, whose transaction is not theirs.
"""

import threading
from collections.abc import Callable
from typing import Any

from embedge.runtime.gallery.storage.failures import within

__all__ = ["Turnstile", "is_mine"]


class _Leaving:
    """The inner lock's own way out, in C: nothing comes between a block's end and letting go."""

    def __get__(self, lock: "Turnstile | None", _: object) -> Callable[..., None]:
        return _left if lock is None else lock._inside.__exit__


def _left(lock: "Turnstile", *_: object) -> None:
    lock.release()


class Turnstile:
    """Python's own locks let a busy thread in again and again, past those who wait."""

    def __init__(self) -> None:
        self._door, self._inside = threading.RLock(), threading.RLock()

    def __enter__(self) -> None:
        if self.is_mine():
            raise within()
        waits = is_mine(self._door)  # a call that this one came in the midst of
        try:
            with self._door:
                self._inside.acquire()
        except BaseException:  # an alarm's or Ctrl-C, that may have come when it was had already
            for lock in [self._inside] if waits else [self._inside, self._door]:
                if is_mine(lock):
                    lock.release()
            raise

    __exit__ = _Leaving()

    def is_mine(self) -> bool:
        return is_mine(self._inside)

    def release(self) -> None:
        self._inside.release()

    def acquire_at_once(self) -> bool:
        """Or never."""
        return self._inside.acquire(blocking=False)

    def forget_others(self, *, within: bool) -> None:
        """In the child of a fork: no other thread is there. `within` a call, its lock is kept."""
        self._door = threading.RLock()
        if not within:
            self._inside = threading.RLock()


def is_mine(lock: Any) -> bool:
    """What threading.Condition asks of a lock that is reentrant."""
    return bool(lock._is_owned())
