"""A copy of a gallery that is in service: sealed as it is, of one moment, and whole or absent."""

import sqlite3
from contextlib import closing
from pathlib import Path

from embedge.errors import EmbedgeError, ours
from embedge.runtime.gallery.copies.checking import check
from embedge.runtime.gallery.copies.workplace import require_free, workplace
from embedge.runtime.gallery.storage.database import Database
from embedge.runtime.gallery.storage.failures import FAILURES, as_path, damage, database_error

__all__ = ["backup"]

_OURS = 0o600
_TOLD = 3  # of what is wrong: SQLite may say it of every page


def backup(path: str | Path, target: str | Path, key: bytes | None) -> None:
    """SQLite itself copies, through a connection of its own: whoever searches goes on meanwhile.
    What is damaged would be missed only on the day when the copy is needed.

    Not by opening the file: closing it would take away the locks that this process has on it.
    """
    path, target = as_path(path), as_path(target)
    try:
        require_free(target)
        with workplace(target) as place, closing(Database(path, writable=False)) as database:
            place.create("new").close()
            with database.lock:
                database.read(lambda connection: _copied(connection, place.path / "new"))
            _require_whole(place.path / "new", path, key)
            place.publish("new", target, _OURS)
    except ours(OSError) as error:
        raise database_error(error, target, "nothing was copied") from error


def _copied(connection: sqlite3.Connection, new: Path) -> None:
    """`new` may lie on another disk than it is to get to: what is full is told by its own name."""
    try:
        with closing(sqlite3.connect(new)) as copy:
            connection.backup(copy)
    except ours(FAILURES) as error:
        raise database_error(error, new, "nothing was copied") from error


def _require_whole(copy: Path, path: Path, key: bytes | None) -> None:
    try:
        found = check(copy, key)
    except EmbedgeError as error:
        what = f"{error.what}; nothing was copied"
        raise EmbedgeError(error.code, what, where=path, remedy=error.remedy) from error
    if found:
        told = "; ".join([line for text in found for line in text.split("\n")][:_TOLD])
        raise damage(path, f"{told}; nothing was copied")
