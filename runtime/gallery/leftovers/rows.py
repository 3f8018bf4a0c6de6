"""Galleries at any byte of some bytes: their headers, SQLite databases of any page size, rows.

SQLite's format is https://www.sqlite.org/fileformat.html. A row whose page is torn or gone is read
by itself: it proves itself when it is opened with its key.
"""

import errno
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import numpy as np

from embedge.runtime.gallery.leftovers.budget import Budget
from embedge.runtime.gallery.leftovers.written import written_rows
from embedge.runtime.gallery.storage.carving import Row, columns, varint

__all__ = ["headers_in", "rows_in", "torn_rows"]

_MAGIC = b"SQLite format 3\0"
_HEADER = re.compile(rb'\{"cipher": "(?=[^"]{1,20}", "contract": )')
_HEADER_END = re.compile(rb'"rows": "[a-z0-9]{1,10}"\}')
_LONGEST_HEADER, _MOST = 16_384, 1000  # bytes, and headers or databases in one content
_CHUNK = 1 << 24
_STEPS = 100_000  # of SQLite's machine, between looks at the clock
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
_FEW, _LEAST_ROW = 10_000, 64
_LONGEST_NUMBER = 5  # bytes


def headers_in(data: bytes, budget: Budget) -> Iterator[bytes]:
    """What may be a gallery's header, as it is or in a database."""
    for count, start in enumerate(_HEADER.finditer(data)):
        _require_few(count)
        end = _HEADER_END.search(data, start.start(), start.start() + _LONGEST_HEADER)
        if end is not None:
            yield data[start.start() : end.end()]
    for row in _databases(data, budget):
        if isinstance(row[-1], bytes) and _HEADER.match(row[-1]):
            yield row[-1]


def rows_in(data: bytes, budget: Budget) -> Iterator[Row]:
    """Whatever may be a row: its numbers, then its value."""
    yield from _databases(data, budget)
    yield from torn_rows(data)
    yield from written_rows(data)


def _databases(data: bytes, budget: Budget) -> Iterator[Row]:
    at, count = data.find(_MAGIC), 0
    while at >= 0:
        _require_few(count)
        page = int.from_bytes(data[at + 16 : at + 18], "big")
        size = (65536 if page == 1 else page) * int.from_bytes(data[at + 28 : at + 32], "big")
        raw = bytearray(data[at : at + size] if size else data[at:])
        budget.spend(len(raw))
        if len(raw) >= 512:
            raw[18:20] = b"\1\1"  # whether it had a log does not matter here
            with suppress(sqlite3.Error):  # then its rows are looked for one by one
                yield from _rows_of(bytes(raw), budget)
        at, count = data.find(_MAGIC, at + 1), count + 1


def _rows_of(raw: bytes, budget: Budget) -> Iterator[Row]:
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
                for row in connection.execute(f'SELECT * FROM "{name}"'):
                    yield from _as_rows(row)


def _as_rows(row: tuple[object, ...]) -> Iterator[Row]:
    numbers = [each for each in row if isinstance(each, int)]
    for value in row:
        if isinstance(value, bytes) and numbers:
            yield (numbers[0], value)
            if len(numbers) > 1:
                yield (numbers[0], numbers[1], value)


def torn_rows(data: bytes) -> Iterator[Row]:
    """Rows as they stand in a leaf of whatever page, at whatever byte: `person` and `record`."""
    left = _FEW + len(data) // _LEAST_ROW
    for base in range(0, len(data), _CHUNK):
        part = np.frombuffer(data[base : base + _CHUNK + 2], np.uint8)
        size, null, kind = part[:-2], part[1:-1], part[2:]
        person = (size == 4) & (kind > 0x80)
        record = ((size == 5) | (size == 6)) & (kind > 0) & (kind < 10) & (kind != 7)
        places = np.flatnonzero((null == 0) & (person | record))
        left -= len(places)
        if left < 0:
            raise OSError(errno.E2BIG, "more rows than fit into it")
        for at in places.tolist():
            with suppress(IndexError):  # it ends too early
                yield from _row_at(data, base + at)


def _row_at(data: bytes, at: int) -> Iterator[Row]:
    """The row whose header of columns begins there, if what stands before it says the same."""
    end, kinds, place = at + data[at], list[int](), at + 2
    while place < end:
        kind, place = varint(data, place)
        kinds.append(kind)
    if place != end or not kinds or kinds[-1] < 12 or kinds[-1] % 2:
        return
    lengths = [_INTEGERS.get(kind, -1) for kind in kinds[:-1]] + [(kinds[-1] - 12) // 2]
    payload = data[at] + sum(lengths)
    size = _as_varint(payload)
    if min(lengths) < 0 or at + payload > len(data):
        return
    for count in range(1, _LONGEST_NUMBER + 1):
        start = at - count
        number, after = varint(data, start) if start >= len(size) else (0, 0)
        if after == at and data[start - len(size) : start] == size:
            yield (number, *columns(data[at : at + payload])[1:])


def _as_varint(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(value & 0x7F | 0x80)
    return bytes(reversed(found))


def _require_few(count: int) -> None:
    if count >= _MOST:
        raise OSError(errno.E2BIG, "more galleries than can be tried")
