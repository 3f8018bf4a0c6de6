"""The gallery's SQLite file: opened, locked, followed when it moves, wiped of what was erased.

The journal is kept (PERSIST) and overwritten in place, so that the pages it saved do not end in
blocks that the file system has given back, where nobody could wipe them.
"""

import ctypes
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from embedge.errors import EmbedgeError, ours
from embedge.files import sync
from embedge.runtime.closing import closed_error
from embedge.runtime.gallery.storage import failures, journal
from embedge.runtime.gallery.storage.journal import PAGE
from embedge.runtime.gallery.storage.registry import (
    NOWHERE,
    PARENTS,
    gate_of,
    is_left_to_parent,
    is_open_elsewhere,
    register,
    unregister,
    when_quiet_at,
)
from embedge.runtime.gallery.storage.turnstile import Turnstile

__all__ = ["PAGE", "PRAGMAS", "Database", "Done", "identity_of", "is_there"]

WAIT = 30.0  # seconds for other processes to finish
_POLL = 0.02  # SQLite asks ever more seldom, and whoever asks seldom starves: it begins anew
_TAKE_LOCK = "SELECT id FROM header"
_LARGEST_VALUE = 64 << 20
_CHUNK = 1 << 20
_SCHEMA = (
    "CREATE TABLE header (id INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE state (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    "CREATE TABLE person (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    "CREATE TABLE record (id INTEGER PRIMARY KEY, person INTEGER NOT NULL, sealed BLOB NOT NULL)",
    "CREATE INDEX record_of ON record (person)",
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    "CREATE TABLE attempt (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    # what a lost first page would take along
    "CREATE TABLE spare (id INTEGER PRIMARY KEY, value BLOB NOT NULL)",
)
PRAGMAS = (
    f"page_size={PAGE}",
    "journal_mode=PERSIST",
    "synchronous=FULL",
    "secure_delete=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "mmap_size=0",
    "temp_store=MEMORY",
)
_ONLY_READ, _UNCHANGED = "it was only to be read", "nothing was changed"
_SMALL = 64 << 20  # bytes that compaction may hold in memory

Done = TypeVar("Done")
Work = Callable[[sqlite3.Connection], Done]


class Database:
    """One connection, behind `lock`: hold it to call anything but `close`. It is made anew after a
    fork, or once the path leads to another file; `generation` tells, and whatever was read through
    an earlier one is stale.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path, self.writable = Path(os.path.abspath(path)), writable  # noqa: PTH100
        self.lock = Turnstile()
        self.generation = 0
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self.identity = NOWHERE
        register(self)

    @classmethod
    def create(cls, path: Path, fill: Callable[[sqlite3.Connection], None]) -> "Database":
        """A new file, or one whose creation was interrupted; any other is left alone."""
        journal.require_plain_name(path)
        try:
            if not is_there(path):
                real = journal.real_path(path)
                journal.require_alone(real, path)
                when_quiet_at(real, lambda: journal.require_own(real, path))
            _new_file(path)
        except ours(ValueError) as error:
            raise failures.missing(path, str(error), "Choose another name") from error
        except ours(OSError) as error:
            raise failures.database_error(error, path, "nothing was created") from error
        database = cls(path, writable=True)

        def make(connection: sqlite3.Connection) -> None:
            if _is_whole(connection, path):
                raise failures.exists_already(path)
            _make_tables(connection)
            fill(connection)

        try:
            with database.lock:
                database._connect(identity_of(path), empty=True)
                database.write(make, lambda: _how_created(path))
        except BaseException:
            database.close()
            raise
        return database

    def read(self, work: Work[Done]) -> Done:
        """One state of the file for as long as the work lasts."""
        return self._transaction("BEGIN", work, lambda: _ONLY_READ, _ONLY_READ)

    def write(self, work: Work[Done], stands: Callable[[], str]) -> Done:
        """All of the work, or nothing of it. `stands` looks, where a commit failed."""

        def checked(connection: sqlite3.Connection) -> Done:
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            journal.require_page_size(size, self.path)
            before = journal.stamp(connection, self._real)
            self._require_in_place(_UNCHANGED)
            if self._real.stat().st_nlink > 1:
                raise EmbedgeError(
                    "E-GALLERY-LINKED",
                    "the gallery's file has another name too (a hard link): after a crash under"
                    " one name its journal would not be seen under the other",
                    where=self.path,
                    remedy="Remove the other name; a copy is a file of its own (cp)",
                )
            done = work(connection)
            self._require_in_place(_UNCHANGED)
            if connection.total_changes == before:
                connection.execute("ROLLBACK")  # of the stamp alone
            return done

        done = self._transaction("BEGIN IMMEDIATE", checked, stands)
        self._require_in_place("what was written is in the file that was moved away")
        return done

    def _transaction(
        self, begin: str, work: Work[Done], stands: Callable[[], str], before: str = _UNCHANGED
    ) -> Done:
        """No context manager of Python's own: an exception of a handler's could come between its
        lines, and keep the transaction for as long as somebody keeps the exception.
        """
        connection, committing = self._current(before), False
        try:
            with connection:  # rolls back in C
                _patiently(connection, begin, _TAKE_LOCK if begin == "BEGIN" else "")
                done = work(connection)
                committing = True
                if connection.in_transaction:
                    _patiently(connection, "COMMIT")
        except BaseException as error:
            if connection is self._connection and _spent(connection, error):
                self.drop()
            if not isinstance(error, ours(failures.FAILURES)):
                raise
            told = stands() if committing else before
            raise failures.database_error(error, self.path, told) from error
        finally:
            if self._closed:  # by the work
                self.drop()
        return done

    def _current(self, stands: str = _UNCHANGED) -> sqlite3.Connection:
        if self._closed:
            raise closed_error("gallery")
        identity = identity_of(self.path)
        held = self._connection
        if held is None or identity != self.identity or held.in_transaction:  # an earlier call's
            self.drop()
            self._connect(identity)
        journal.require_alone(self._real, self.path)  # SQLite looks at every beginning
        journal.require_own(self._real, self.path, stands)
        assert self._connection is not None
        return self._connection

    def _connect(self, identity: tuple[int, int], *, empty: bool = False) -> None:
        if is_left_to_parent(identity):
            raise failures.forked(self.path)
        with gate_of(identity):
            self._really_connect(identity, empty)

    def _really_connect(self, identity: tuple[int, int], empty: bool) -> None:
        self._real, self.identity = journal.real_path(self.path), NOWHERE
        alone = not is_open_elsewhere(self, identity)  # else closing it would drop its locks
        if alone:
            journal.require_no_foreign(self._real, self.path)
        journal.require_alone(self._real, self.path)
        journal.require_own(self._real, self.path)
        connection = None
        try:
            uri = f"file:{quote(os.fsencode(self._real))}?mode=rw"  # read-only where it must be
            connection = sqlite3.connect(
                uri, uri=True, timeout=_POLL, isolation_level=None, check_same_thread=False
            )
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
            for pragma in PRAGMAS:
                _patiently(connection, f"PRAGMA {pragma}")
            _patiently(connection, "BEGIN", "SELECT sql FROM sqlite_master")
            if not empty and not _is_whole(connection, self.path):
                raise failures.missing(self.path, "its creation was interrupted", "Create it again")
            connection.execute("COMMIT")
            if not self.writable:
                connection.execute("PRAGMA query_only=ON")
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error | UnicodeDecodeError):
                raise failures.open_error(error, self.path, alone=alone) from error
            raise
        self._connection, self.identity = connection, identity
        self.generation += 1

    def version(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Changes whenever somebody else has written."""
        (number,) = _patiently(connection, "PRAGMA data_version").fetchone()
        return self.generation, number

    def unchanged_since(self, version: tuple[int, int]) -> bool:
        """Without a transaction: cheap enough to ask before every search."""
        try:
            return self.version(self._current(_ONLY_READ)) == version
        except sqlite3.Error as error:
            raise failures.database_error(error, self.path, _UNCHANGED) from error

    def compact(self) -> None:
        """Write every page anew, full ones only."""
        connection = self._current("nothing was compacted")
        try:
            small = self._real.stat().st_size <= _SMALL
            connection.execute(f"PRAGMA temp_store={'MEMORY' if small else 'FILE'}")
            _patiently(connection, "VACUUM")
        except ours(failures.FAILURES) as error:
            raise failures.database_error(error, self.path, "nothing was compacted") from error

    def scrub(self) -> None:
        """Zeros over the journal, which holds the pages as they were; then it goes."""
        stands = "the journal was not wiped"
        self._transaction("BEGIN EXCLUSIVE", self._wipe, lambda: stands, stands)

    def _wipe(self, _: sqlite3.Connection) -> None:
        with suppress(FileNotFoundError):
            path = journal.journal_of(self._real)
            flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags), "r+b") as stream:
                size = os.fstat(stream.fileno()).st_size
                for start in range(0, size, _CHUNK):
                    stream.write(bytes(min(_CHUNK, size - start)))
                stream.flush()
                os.fsync(stream.fileno())
            path.unlink()
            sync(path.parent)

    def _require_in_place(self, stands: str) -> None:
        if identity_of(self.path) != self.identity:
            raise failures.missing(
                self.path, f"it was moved or replaced meanwhile; {stands}", "Put it back, try again"
            )

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def leave_to_parent(self, *, at_work: bool) -> None:
        """In the child of a fork: a transaction under way is never ended here, at exit neither.

        Closing the connection would roll back, in the file, what the parent goes on to write. And
        where others were `at_work`, whatever asks SQLite may wait for them, for ever.
        """
        connection = self._connection
        if connection is not None and (at_work or connection.in_transaction):
            PARENTS.add(self.identity)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            if self.lock.is_mine():  # a call under way ends here too: its undoing does nothing
                may = {"ROLLBACK": sqlite3.SQLITE_IGNORE}
                connection.set_authorizer(lambda _, what, *__: may.get(what, sqlite3.SQLITE_DENY))
            self._connection = None
        self.drop()  # to open its own

    def close(self) -> None:
        """The lock need not be held; from within a call the file is closed once that is done."""
        if self.lock.is_mine():
            self._closed = True
            return
        with self.lock:
            self.drop()
            self._closed = True
            unregister(self)


def is_there(path: str | Path) -> bool:
    """Not where there is nothing, or an empty file: an interrupted creation can be had again."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except ours((OSError, ValueError, TypeError)):
        return False
    return found.st_size > 0 or not stat.S_ISREG(found.st_mode)


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={journal.APPLICATION}")


def _spent(connection: sqlite3.Connection, error: BaseException) -> bool:
    """SQLite keeps for reading what it could not open for writing once: the next one is asked."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return connection.in_transaction or code & 0xFF == sqlite3.SQLITE_READONLY


def _patiently(connection: sqlite3.Connection, statement: str, then: str = "") -> sqlite3.Cursor:
    """Execute, `then` within the transaction that this begins, once others let go of the file."""
    deadline = time.monotonic() + WAIT
    while True:
        began = not connection.in_transaction
        try:
            if then:
                connection.execute(statement)
            return connection.execute(then or statement)
        except sqlite3.OperationalError as error:
            if began and connection.in_transaction:
                connection.execute("ROLLBACK")
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise


def _new_file(path: Path) -> None:
    """Empty and private. Closing it drops this process's locks on it: nobody may have it open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gate_of(NOWHERE):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError as error:
            if not path.is_file() or path.stat().st_size:
                raise failures.exists_already(path) from error
    sync(path.parent)


def _how_created(path: Path) -> str:
    """After a commit has failed: it may have reached the file all the same."""
    try:
        with closing(Database(path, writable=False)) as seen, seen.lock:
            seen.read(bool)
    except EmbedgeError as error:
        known = error.code == "E-GALLERY-MISSING"
        return "no gallery was created" if known else "whether a gallery was created is not known"
    return "an empty gallery was created, but the disk has not confirmed it"


def identity_of(path: Path, or_else: str = "Enrol somebody to create it") -> tuple[int, int]:
    try:
        found = path.stat()
    except ours((OSError, ValueError)) as error:
        why = getattr(error, "strerror", None) or str(error)
        gone = isinstance(error, FileNotFoundError)
        remedy = or_else if gone else "Check its path and permissions"
        raise failures.missing(path, why, remedy) from error
    if not stat.S_ISREG(found.st_mode):
        kind = "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is not a file"
        raise failures.missing(path, kind, "Give the gallery's file")
    return found.st_dev, found.st_ino


def _is_whole(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the gallery's tables are there; nothing else may be, and False means nothing is."""
    rows = connection.execute("SELECT sql, type, name FROM sqlite_master").fetchall()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not rows and not application:
        return False
    if application != journal.APPLICATION:
        raise failures.not_a_gallery(path)
    if (format_number := journal.format_of(version)) != journal.VERSION:
        raise failures.format_error(
            path, f"it has the format {format_number}, this version reads {journal.VERSION}"
        )
    own = {statement.split()[2] for statement in _SCHEMA}
    if foreign := [f"{kind} {name}" for _, kind, name in rows if name not in own]:
        raise failures.put_in(path, foreign)
    if len(rows) != len(_SCHEMA) or {sql for sql, _, _ in rows} != set(_SCHEMA):
        raise failures.damage(path, "its tables are not those of a gallery")
    return True
