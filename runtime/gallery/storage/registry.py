"""The galleries that this process has open: what may not happen beside them waits for them.

SQLite's locks belong to the process: closing any descriptor of a file drops those on it, and a
fork takes none along but remembers them. So both happen while none of ours is at work.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from embedge.runtime.gallery.storage.turnstile import Turnstile

__all__ = ["CONNECTING", "is_open_elsewhere", "register", "unregister", "while_quiet"]


class _Database(Protocol):
    identity: tuple[int, int]

    lock: Turnstile

    def drop(self) -> None: ...


_LIVE: weakref.WeakSet[_Database] = weakref.WeakSet()
_LISTING = threading.Lock()  # held for moments only, and for the fork itself
_FORKING = threading.RLock()
CONNECTING = threading.RLock()  # held while a file is opened; its owner holds its database's lock
_HELD: list[_Database] = []


def register(database: _Database) -> None:
    with _LISTING:
        _LIVE.add(database)


def unregister(database: _Database) -> None:
    with _LISTING:
        _LIVE.discard(database)


def is_open_elsewhere(database: _Database, identity: tuple[int, int]) -> bool:
    """Whether another connection of this process may have locks on the file."""
    return any(each.identity == identity for each in _live() if each is not database)


@contextmanager
def while_quiet(path: Path) -> Iterator[None]:
    """Meanwhile this process may open and close the file."""
    found = path.stat()
    with ExitStack() as held:
        for database in _live():
            if database.identity == (found.st_dev, found.st_ino):
                held.enter_context(database.lock)
        yield


def _live() -> list[_Database]:
    with _LISTING:
        return sorted(_LIVE, key=id)


def _before_fork() -> None:
    _FORKING.acquire()
    while True:
        _HELD.extend(_live())
        for database in _HELD:
            database.lock.acquire()
        _LISTING.acquire()
        if set(_LIVE) <= set(_HELD):
            return
        _LISTING.release()  # one more was opened meanwhile
        while _HELD:
            _HELD.pop().lock.release()


def _after_fork(*, child: bool) -> None:
    _LISTING.release()
    while _HELD:
        database = _HELD.pop()
        if child:  # it opens its own
            database.lock.forget_who_waits()
            database.drop()
        database.lock.release()
    _FORKING.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(child=False),
    after_in_child=lambda: _after_fork(child=True),
)
