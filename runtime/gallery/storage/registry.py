"""The galleries that this process has open: what may not happen beside them waits for them.

SQLite's locks belong to the process: closing any descriptor of a file drops those on it, and a
fork takes none along but remembers them. So both happen while none of ours is at work, and a file
has a gate: while one of us connects to it, or closes it, nobody else does.
"""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from embedge.runtime.gallery.storage.turnstile import Turnstile, is_mine

__all__ = [
    "NOWHERE",
    "PARENTS",
    "beginning_of",
    "gate_of",
    "is_left_to_parent",
    "is_open_elsewhere",
    "let_go",
    "register",
    "unregister",
    "when_quiet_at",
]

Identity = tuple[int, int]  # of a file, by whatever name: its device and its number there
NOWHERE: Identity = (0, 0)


class _Database(Protocol):
    identity: Identity  # of the file that it is connected to, or was last; NOWHERE on its way

    lock: Turnstile

    def leave_to_parent(self, *, at_work: bool) -> None: ...


_LIVE: weakref.WeakSet[_Database] = weakref.WeakSet()
_LISTING = threading.RLock()  # held for moments only, and for the fork itself
_FORKING = threading.RLock()
_GATES = [threading.RLock() for _ in range(64)]  # taken after the database's own lock
_HELD: list[_Database] = []  # taken by a fork, or about to be; not those of a call that it is in
_LEFT: list[tuple[Identity, IO[bytes]]] = []  # to be closed
PARENTS: set[Identity] = set()  # files in a transaction of the parent's; NOWHERE: all there are


def register(database: _Database) -> None:
    with _LISTING:
        _LIVE.add(database)


def unregister(database: _Database) -> None:
    with _LISTING:
        _LIVE.discard(database)
    for identity in {each for each, _ in list(_LEFT)}:
        with gate_of(identity):
            if not {identity, NOWHERE} & {each.identity for each in _live()}:
                _close_left(identity)


def gate_of(identity: Identity) -> threading.RLock:
    """Hold it to connect to the file; several files may share one."""
    return _GATES[hash(identity) % len(_GATES)]


def is_open_elsewhere(database: _Database, identity: Identity) -> bool:
    """Whether another connection of this process may have locks on the file."""
    return identity in [each.identity for each in _live() if each is not database]


def is_left_to_parent(identity: Identity) -> bool:
    """SQLite takes the parent's locks for this process's, which has none."""
    return not PARENTS.isdisjoint({identity, NOWHERE})


def when_quiet(identity: Identity, act: Callable[[], None]) -> None:
    """Meanwhile this process has no lock on the file, and nobody in it connects to it."""
    known: list[_Database] = []
    while missed := _holding(
        [*(one.lock for one in known), gate_of(identity)], identity, known, act
    ):
        known = missed  # somebody connected meanwhile


def _holding(
    locks: Sequence[AbstractContextManager[object]],
    identity: Identity,
    known: list[_Database],
    act: Callable[[], None],
) -> list[_Database]:
    """Who has to be held too, where nothing was done.

    Python comes between a lock that a function of its own takes (an ExitStack's) and the noting
    that it is had, and a signal's handler with it; not between a lock and its `with`.
    """
    if locks:
        with locks[0]:
            return _holding(locks[1:], identity, known, act)
    now = [each for each in _live() if each.identity == identity]
    if set(now) <= set(known):
        act()
        return []
    return now


def when_quiet_at(path: Path, act: Callable[[], None]) -> None:
    """The same of whatever lies there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        act()
    else:
        when_quiet((found.st_dev, found.st_ino), act)


def let_go(stream: IO[bytes]) -> None:
    """Close a file that may be a gallery: reading it holds nobody off, closing it waits.

    Were the wait interrupted, it stays open until another of that file is closed.
    """
    found = os.fstat(stream.fileno())
    identity = found.st_dev, found.st_ino
    _LEFT.append((identity, stream))
    when_quiet(identity, lambda: _close_left(identity))


def _close_left(identity: Identity) -> None:
    for left in [each for each in list(_LEFT) if each[0] == identity]:
        _LEFT.remove(left)
        left[1].close()


def beginning_of(path: Path, length: int) -> bytes:
    """Of a file that this process may have locks on: it is closed at the next quiet moment only.

    Call it while nobody can `let_go` of the file: as one who has it open, or with its gate.
    """
    found = path.stat()
    identity = found.st_dev, found.st_ino
    known = next((stream for one, stream in list(_LEFT) if one == identity), None)
    if known is None:
        known = path.open("rb", buffering=0)
        found = os.fstat(known.fileno())
        _LEFT.append(((found.st_dev, found.st_ino), known))
    return os.pread(known.fileno(), length, 0)


def _live() -> list[_Database]:
    with _LISTING:
        return sorted(_LIVE, key=id)


def _before_fork() -> None:
    _FORKING.acquire()
    while True:
        for database in _live():
            if not database.lock.is_mine():
                _HELD.append(database)
                database.lock.__enter__()
        _LISTING.acquire()
        if all(database.lock.is_mine() for database in _LIVE):
            return
        _LISTING.release()  # one more was opened meanwhile
        _let_go()


def _let_go() -> None:
    """Of what this thread has: where it was kept from waiting, another's fork may have the rest."""
    for database in list(_HELD):
        if database.lock.is_mine():
            database.lock.release()
    if is_mine(_FORKING):
        _HELD.clear()


def _after_fork() -> None:
    """What a handler's exception kept from being taken, or given back already, is left."""
    if is_mine(_LISTING):
        _LISTING.release()
    _let_go()
    if is_mine(_FORKING):
        _FORKING.release()


def _in_child() -> None:
    """Whoever else held a lock is not there. Nobody waits for them here, nor asks SQLite anything
    while one of them may have been at work in it: a handler's exception had ended our waiting.
    """
    global _LISTING, _FORKING
    _LISTING, _FORKING = threading.RLock(), threading.RLock()
    _GATES[:] = [threading.RLock() for _ in _GATES]
    for database in list(_LIVE):
        if not database.lock.is_mine():
            _HELD.append(database)
            if not database.lock.acquire_at_once():
                PARENTS.add(NOWHERE)
    for database in list(_LIVE):
        database.leave_to_parent(at_work=NOWHERE in PARENTS)
        within = database.lock.is_mine() and database not in _HELD
        database.lock.forget_others(within=within)
    _HELD.clear()


os.register_at_fork(before=_before_fork)
for _ in range(2):  # of a handler's exception in one Python tells, and goes on with the next
    os.register_at_fork(after_in_parent=_after_fork, after_in_child=_in_child)
