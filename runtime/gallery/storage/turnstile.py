"""A lock that whoever lets go of it gets back only after somebody who waits has had it."""

import threading

__all__ = ["Turnstile"]


class Turnstile:
    """Reentrant. Python's own locks let a busy thread in again and again, past those who wait."""

    def __init__(self) -> None:
        self._door, self._inside = threading.Lock(), threading.Lock()
        self._owner, self._depth = 0, 0

    def acquire(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            with self._door:
                self._inside.acquire()
            self._owner = me
        self._depth += 1

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            self._inside.release()

    def forget_who_waits(self) -> None:
        """In the child of a fork, by the thread that has the lock: no other is there."""
        self._door = threading.Lock()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
