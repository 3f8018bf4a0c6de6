"""Templates as they are stored, and the bytes of a record of them."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from embedge.runtime.gallery.sealed.sealing import Seal
from embedge.runtime.gallery.search.int8 import Matrix, int8_scale

__all__ = [
    "BRIDGED",
    "NATIVE",
    "PLAIN",
    "UNCERTAIN",
    "Group",
    "Opened",
    "Template",
    "is_unit",
    "marked_rows",
    "matrix_of",
    "packed",
    "unpacked",
    "with_across",
]

_MOST_ROWS = 4096  # a record
_HEAD = struct.Struct("<I32sH")  # templates, time, length of the source; then source, ids, rows
_DIM = struct.Struct("<H")
PLAIN = 1 << 24  # the count of a record is under it where it has one row a template, all native
_MARKED, _ACROSS, _ROWLESS = 1, 2, 4  # over the count: marks follow the ids, then rows across
NATIVE, BRIDGED, UNCERTAIN = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """`row` is in the space of the gallery's header, `across` in the one it is carried to.

    `mark` is of the newer of them: seen by that model, calculated, or calculated and doubtful.
    """

    record: str
    enrolled: str
    source: str
    row: Matrix | None
    across: Matrix | None = None
    mark: int = NATIVE

    def at(self, *, across: bool) -> Matrix | None:
        return self.across if across else self.row


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Templates to add, and the number of their person, if they have one already."""

    person: int | None
    name: str
    templates: Sequence[Template]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A record to be written anew: `count` says too of what kind its body is."""

    record: int
    person: int
    count: int
    body: bytes
    tag: bytes
    seal: Seal
    place: bytes


def packed(templates: Sequence[Template]) -> Iterator[bytes]:
    """Records: what was enrolled at one time, from one source."""
    for (time, source, *_), alike in groupby(templates, _likeness):
        run = list(alike)
        for start in range(0, len(run), _MOST_ROWS):
            part = run[start : start + _MOST_ROWS]
            kind = _kind(part)
            head = _HEAD.pack(len(part) | kind * PLAIN, time.encode(), len(source.encode()))
            ids = bytes.fromhex("".join(each.record for each in part))
            yield b"".join([head, source.encode(), ids, *_marks(part, kind), *_rows(part)])


def _likeness(each: Template) -> tuple[str, str, bool, bool]:
    return each.enrolled, each.source, each.row is None, each.across is None


def _kind(part: Sequence[Template]) -> int:
    across, rowless = part[0].across is not None, part[0].row is None
    if not across and not any(each.mark for each in part):
        return 0
    return _MARKED | (_ACROSS if across else 0) | (_ROWLESS if rowless else 0)


def _marks(part: Sequence[Template], kind: int) -> Iterator[bytes]:
    if kind:
        yield bytes(each.mark for each in part)
    if kind & _ACROSS:
        across = [each.across for each in part if each.across is not None]
        yield _DIM.pack(len(across[0]))
        yield from (row.tobytes() for row in across)


def _rows(part: Sequence[Template]) -> Iterator[bytes]:
    return (each.row.tobytes() for each in part if each.row is not None)


def with_across(body: bytes, width: int, marks: bytes, across: bytes, dim: int) -> bytes:
    """A record of plain templates, with a bridged one beside each."""
    count = len(marks)
    head = (count | (_MARKED | _ACROSS) * PLAIN).to_bytes(4, "little")
    rows = len(body) - count * width
    return b"".join([head, body[4:rows], marks, _DIM.pack(dim), across, body[rows:]])


def marked_rows(body: bytes, item: int, *, across: bool) -> tuple[bytes, bytes]:
    """(the rows of one side, their marks) of a record: both empty, where it has none there."""
    marks, wide, others, rows = _sides(body, item)
    found = others if across else rows
    if not found:
        return b"", b""
    # where both are there, the mark is of the one across
    return found, marks if across or not wide else bytes(len(marks))


def unpacked(body: bytes, kind: np.dtype[Any], dim: int) -> list[Template]:
    _, time, length = _HEAD.unpack_from(body)
    marks, wide, others, rows = _sides(body, kind.itemsize)
    count, ids = len(marks), _HEAD.size + length
    enrolled, source = time.rstrip(b"\0").decode(), body[_HEAD.size : ids].decode()
    names = [body[place : place + 16].hex() for place in range(ids, ids + 16 * count, 16)]
    sides: list[Any] = [
        np.frombuffer(data, kind).reshape(count, width) if data else [None] * count
        for data, width in ((rows, dim), (others, wide))
    ]
    parts = zip(names, *sides, marks, strict=True)
    return [Template(name, enrolled, source, row, other, mark) for name, row, other, mark in parts]


def _sides(body: bytes, item: int) -> tuple[bytes, int, bytes, bytes]:
    """(marks, the dimension across, the rows across, the others) of a record."""
    word, _, length = _HEAD.unpack_from(body)
    count, kind = word % PLAIN, word // PLAIN
    place, wide, marks = _HEAD.size + length + 16 * count, 0, bytes(count)
    if kind:
        marks, place = body[place : place + count], place + count
    if kind & _ACROSS:
        (wide,) = _DIM.unpack_from(body, place)
        place += _DIM.size
    end = place + count * wide * item
    if len(marks) != count or bool(kind & _ROWLESS) != (end == len(body)):
        raise ValueError("rows of another length")
    return marks, wide, body[place:end], body[end:]


def matrix_of(templates: Sequence[Template], *, across: bool = False) -> Matrix:
    """Of those that have a row on that side."""
    rows: list[Any] = [row for each in templates if (row := each.at(across=across)) is not None]
    matrix: Matrix = np.stack(rows)
    return matrix


def is_unit(matrix: Matrix) -> bool:
    """A row longer than one would be everybody's best match; a byte cuts off what is rare."""
    rows = matrix.astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    least, most = (0.8, 1.02) if matrix.dtype == np.int8 else (0.998, 1.002)
    if matrix.dtype == np.int8:
        lengths /= int8_scale(matrix.shape[1])
    return bool(((lengths >= least) & (lengths <= most)).all())  # not a number is neither
