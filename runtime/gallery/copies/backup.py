"""A copy of a gallery that is in service: sealed as it is, of one moment, and whole or absent."""

import sqlite3
from contextlib import closing
from pathlib import Path

from embedge.runtime.gallery.copies.workplace import require_free, workplace
from embedge.runtime.gallery.storage.database import Database
from embedge.runtime.gallery.storage.failures import FAILURES, as_path, database_error

__all__ = ["backup"]

_OURS = 0o600


def backup(path: str | Path, target: str | Path) -> None:
    """SQLite itself copies, through a connection of its own: whoever searches goes on meanwhile.

    Not by opening the file: closing it would take away the locks that this process has on it.
    """
    path, target = as_path(path), as_path(target)
    try:
        require_free(target)
        with workplace(target) as place, closing(Database(path, writable=False)) as database:
            place.create("new").close()
            with database.reading() as connection:
                _copied(connection, place.path / "new", target)
            place.publish("new", target, _OURS)
    except OSError as error:
        raise database_error(error, target, "nothing was copied") from error


def _copied(connection: sqlite3.Connection, new: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(new)) as copy:
            connection.backup(copy)
    except FAILURES as error:
        raise database_error(error, target, "nothing was copied") from error
