"""Galleries at any byte of some bytes: their headers, and rows of databases, whole or torn.

SQLite's format is https://www.sqlite.org/fileformat.html. A row whose page is torn or gone is read
by itself: it proves itself when it is opened with its key.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from embedge.runtime.gallery.leftovers.budget import Effort
from embedge.runtime.gallery.leftovers.databases import require_few, rows_of_databases
from embedge.runtime.gallery.leftovers.written import written_rows
from embedge.runtime.gallery.storage.carving import Row, columns, varint

__all__ = ["headers_in", "rows_in", "torn_rows"]

_HEADER = re.compile(rb'\{"cipher": "(?=[^"]{1,20}", "contract": )')
_HEADER_END = re.compile(rb'"rows": "[a-z0-9]{1,10}"\}')
_LONGEST_HEADER = 16_384  # bytes
_CHUNK = 1 << 24
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
_FEW, _LEAST_ROW = 10_000, 64
_LONGEST_NUMBER = 5  # bytes


def headers_in(data: bytes, budget: Effort) -> Iterator[bytes]:
    """What may be a gallery's header, as it is or in a database."""
    for count, start in enumerate(_HEADER.finditer(data)):
        require_few(count)
        end = _HEADER_END.search(data, start.start(), start.start() + _LONGEST_HEADER)
        if end is not None:
            yield data[start.start() : end.end()]
    for row in rows_of_databases(data, budget):
        yield from (value for value in row if isinstance(value, bytes) and _HEADER.match(value))


def rows_in(data: bytes, budget: Effort) -> Iterator[Row]:
    """Whatever may be a row: its numbers, then its value."""
    for row in rows_of_databases(data, budget):
        yield from _as_rows(row)
    yield from torn_rows(data)
    yield from written_rows(data)


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
