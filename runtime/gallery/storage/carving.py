"""Rows of an SQLite file read page by page: a broken page takes only its own rows along.

The format is SQLite's, https://www.sqlite.org/fileformat.html: leaves of tables, and the chains
of pages that long rows go on in.
"""

import errno
import struct
from collections.abc import Iterator

import numpy as np

from embedge.runtime.gallery.storage.database import PAGE
from embedge.runtime.gallery.storage.raw import Raw

__all__ = ["Row", "carved", "columns", "headers", "varint"]

Row = tuple[int | bytes | None, ...]  # the first column is the row's own number

_LEAF = b"\x0d"
_CHUNK = 1 << 24
_FEW, _LEAST_ROW = 10_000, 8  # rows that only look like some, bytes of a real one
_HEADER = b'{"'
_LOCAL = PAGE - 35  # the longest row that a leaf holds whole
_LEAST = (PAGE - 12) * 32 // 255 - 23
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_BROKEN = (IndexError, ValueError, struct.error)


def carved(data: Raw, *, anywhere: bool = False) -> Iterator[Row]:
    """Whatever can be read as a row: it proves itself when it is opened with its key.

    The page with the schema has none of a gallery's. With `anywhere` pages may begin wherever a
    journal, a log or an archive has them: rows that go on in other pages are then not whole.
    A file that looks like more rows than fit into it is an OSError: it was made to take for ever.
    """
    spent: set[int] = set()
    left = _FEW + data.size // _LEAST_ROW
    starts = _leaves(data) if anywhere else range(PAGE, data.size - PAGE + 1, PAGE)
    for start in starts:
        page = data.read(start, PAGE)
        if page[:1] != _LEAF:
            continue
        count = int.from_bytes(page[3:5], "big")
        left -= min(count, PAGE // 2)
        if anywhere and left < 0:
            raise OSError(errno.E2BIG, "more rows than fit into it")
        for place in range(8, min(8 + 2 * count, len(page) - 1), 2):
            try:
                at = int.from_bytes(page[place : place + 2], "big")
                yield _row(data, spent, page, at)
            except _BROKEN:
                continue


def _leaves(data: Raw) -> Iterator[int]:
    """Where bytes look like the head of a page of rows; whatever holds pages puts them at fours."""
    for base in range(0, data.size, _CHUNK):
        part = np.frombuffer(data.read(base, _CHUNK + 8), np.uint8)
        heads = np.flatnonzero(part[: max(0, len(part) - 7) : 4] == _LEAF[0]) * 4
        fields = part[heads[:, None] + np.arange(3, 8)].astype(np.int32)
        rows, content = (fields[:, :4].reshape(-1, 2, 2) @ [256, 1]).T
        likely = (rows > 0) & (content >= 8 + 2 * rows) & (content < PAGE) & (fields[:, 4] <= 60)
        yield from (base + heads[likely]).tolist()


def headers(data: Raw, *, anywhere: bool = False) -> Iterator[bytes]:
    """What may be a gallery's header: each is there twice, on pages of its own."""
    for row in carved(data, anywhere=anywhere):
        if len(row) == 2 and isinstance(row[1], bytes) and row[1].startswith(_HEADER):
            yield row[1]


def _row(data: Raw, spent: set[int], page: bytes, at: int) -> Row:
    """`spent` are pages that rows have gone on in: none belongs to two, and no chain is a ring."""
    size, at = varint(page, at)
    number, at = varint(page, at)
    local = size
    if size > _LOCAL:
        local = _LEAST + (size - _LEAST) % (PAGE - 4)
        local = local if local <= _LOCAL else _LEAST
    parts, left = [page[at : at + local]], size - local
    following = int.from_bytes(page[at + local : at + local + 4], "big") if left else 0
    while left > 0 and following:
        if following in spent:
            raise ValueError("a page of another row")
        spent.add(following)
        chained = data.read((following - 1) * PAGE, PAGE)
        following = int.from_bytes(chained[:4], "big")
        parts.append(chained[4:][:left])
        if not parts[-1]:
            break
        left -= len(parts[-1])
    found = columns(b"".join(parts))
    if len(found) < 2:
        raise ValueError("no row of a gallery")
    return (number, *found[1:])


def columns(payload: bytes) -> list[int | bytes | None]:
    """Of a row, which begins with its header; a ValueError where it ends too early."""
    end, at = varint(payload, 0)
    values: list[int | bytes | None] = []
    body = end
    while at < end:
        kind, at = varint(payload, at)
        length = _INTEGERS.get(kind, (kind - 12) // 2 if kind >= 12 else 0)
        raw = payload[body : body + length]
        if len(raw) < length:
            raise ValueError("a row that ends too early")
        body += length
        if kind >= 12:
            values.append(raw)
        else:
            values.append(None if kind == 0 else int(kind == 9) + int.from_bytes(raw, "big"))
    return values


def varint(data: bytes, at: int) -> tuple[int, int]:
    """SQLite's number of one to nine bytes, and where it ends; an IndexError where data ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
