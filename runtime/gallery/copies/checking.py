"""A gallery looked over without changing it: whether all of it opens, and nothing is missing."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.keys import checked_key_or_none
from embedge.runtime.gallery.mirror import Seen, grow
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, AUDIT
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.search.index import TemplateIndex
from embedge.runtime.gallery.search.int8 import Matrix
from embedge.runtime.gallery.storage.database import Database
from embedge.runtime.gallery.storage.failures import as_path, disk_error

__all__ = ["check"]


def check(path: str | Path, key: bytes | None) -> list[str]:
    """What is wrong with the gallery, all of it read: nothing, where the list is empty."""
    path = as_path(path)
    key = checked_key_or_none(key, path)
    found = _wrong_with(path, key)
    if found and not _wrong_with(path, key):  # SQLite calls a failing disk's pages malformed too
        raise disk_error(path, "something could be read the second time only", "it was only read")
    return found


class _Counts(TemplateIndex):
    """Of a gallery that may fill the memory in use already: no row is kept."""

    def add(self, people: Sequence[str], _matrix: Matrix, _bridged: Sequence[int] = ()) -> None:
        self.know(people)
        self._rows += len(people)


def _wrong_with(path: Path, key: bytes | None) -> list[str]:
    with closing(Database(path, writable=False)) as database, database.lock:
        pages = database.read(lambda file: file.execute("PRAGMA integrity_check(20)").fetchall())
        found = [str(text) for (text,) in pages if text != "ok"]
        try:
            found += database.read(lambda file: _wrong_singles(file, _read_all(file, key, path)))
        except EmbedgeError as error:
            if error.code != "E-GALLERY":
                raise
            found.append(error.what)
    return found


def _read_all(connection: sqlite3.Connection, key: bytes | None, path: Path) -> Ledger:
    ledger = Ledger.read(connection, key, path)
    state = ledger.state(connection)
    ledger.notes.require_end(connection, state, state)
    counts = _Counts(ledger.side(state).dim, "float32")
    with closing(counts):
        grow(connection, Seen(ledger, State(), (0, 0), counts, [], os.getpid()), state)
    for table in (AUDIT, ATTEMPTS):
        ledger.notes.read(connection, state, table)
    return ledger


def _wrong_singles(connection: sqlite3.Connection, ledger: Ledger) -> list[str]:
    """Of the tables of one row, and of their copies: what no reading sees."""
    found = [
        f"the table {table} has other rows than its one"
        for table in ("header", "state")
        if connection.execute(f"SELECT id FROM {table}").fetchall() != [(1,)]
    ]
    (state,) = connection.execute("SELECT sealed FROM state WHERE id = 1").fetchone()
    spare = connection.execute("SELECT id, value FROM spare ORDER BY id").fetchall()
    if spare != [(1, ledger.raw), (2, state)]:
        found.append("the spare header and state are not the header and the state")
    return found
