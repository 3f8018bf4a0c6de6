"""SQLite databases at any byte of some bytes, of any size of page, read as far as they can be.

The format is SQLite's, https://www.sqlite.org/fileformat.html.
"""

import errno
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress

from embedge.runtime.gallery.leftovers.budget import Effort

__all__ = ["require_few", "rows_of_databases", "values_of_databases"]

_MAGIC = b"SQLite format 3\0"
_MOST = 1000  # headers or databases in one content
_STEPS = 100_000  # of SQLite's machine, between looks at the clock
_LEAST = 48  # bytes of a value


def rows_of_databases(data: bytes, budget: Effort) -> Iterator[tuple[object, ...]]:
    at, count = data.find(_MAGIC), 0
    while at >= 0:
        require_few(count)
        page = int.from_bytes(data[at + 16 : at + 18], "big")
        size = (65536 if page == 1 else page) * int.from_bytes(data[at + 28 : at + 32], "big")
        raw = bytearray(data[at : at + size] if size else data[at:])
        budget.spend(len(raw))
        if len(raw) >= 512:
            raw[18:20] = b"\1\1"  # whether it had a log does not matter here
            with suppress(sqlite3.Error):  # then its rows are looked for one by one
                yield from _rows_of(bytes(raw), budget)
        at, count = data.find(_MAGIC, at + 1), count + 1


def values_of_databases(data: bytes, budget: Effort) -> bytes:
    """What is long, whole: the file has it in pieces, wherever a page is too small for it."""
    rows = rows_of_databases(data, budget)
    values = [each for row in rows for each in row if isinstance(each, bytes)]
    return bytes(16).join(each for each in values if len(each) >= _LEAST)


def _rows_of(raw: bytes, budget: Effort) -> Iterator[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(raw)
        connection.text_factory = bytes
        connection.set_progress_handler(lambda: int(time.monotonic() > budget.until), _STEPS)
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
        ).fetchall()
        for (table,) in tables:
            name = table.decode(errors="surrogateescape").replace('"', '""')
            with suppress(sqlite3.Error, UnicodeError):
                yield from connection.execute(f'SELECT * FROM "{name}"')


def require_few(count: int) -> None:
    if count >= _MOST:
        raise OSError(errno.E2BIG, "more galleries than can be tried")
