"""Templates as they are stored, and the bytes of a record of them."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows, int8_from_float, int8_scale

__all__ = ["Group", "Template", "is_unit", "matrix_of", "packed", "turned", "unpacked"]

_MOST_ROWS = 4096  # a record
_HEAD = struct.Struct("<I32sH")  # templates, time, length of the source; then source, ids, rows


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    record: str
    enrolled: str
    source: str
    row: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Templates to add, and the number of their person, if they have one already."""

    person: int | None
    name: str
    templates: Sequence[Template]


def packed(templates: Sequence[Template]) -> Iterator[bytes]:
    """Records: what was enrolled at one time, from one source."""
    for (time, source), alike in groupby(templates, lambda each: (each.enrolled, each.source)):
        run = list(alike)
        for start in range(0, len(run), _MOST_ROWS):
            part = run[start : start + _MOST_ROWS]
            head = _HEAD.pack(len(part), time.encode(), len(source.encode()))
            ids = bytes.fromhex("".join(each.record for each in part))
            yield head + source.encode() + ids + b"".join(each.row.tobytes() for each in part)


def unpacked(body: bytes, kind: np.dtype[Any], dim: int) -> list[Template]:
    count, time, length = _HEAD.unpack(body[: _HEAD.size])
    ids = _HEAD.size + length
    matrix = np.frombuffer(body, kind, offset=ids + 16 * count).reshape(count, dim)
    enrolled, source = time.rstrip(b"\0").decode(), body[_HEAD.size : ids].decode()
    places = range(ids, ids + 16 * count, 16)
    return [
        Template(body[place : place + 16].hex(), enrolled, source, row)
        for place, row in zip(places, matrix)
    ]


def turned(templates: Sequence[Template], turn: NDArray[np.float32]) -> list[Template]:
    """The same ones, rotated; of length one again, since int8 rounds anew each time."""
    if not templates:
        return []
    matrix = matrix_of(templates)
    rows = float_from_rows(matrix) @ turn.T
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    again = int8_from_float(rows) if matrix.dtype == np.int8 else rows
    return [replace(each, row=row) for each, row in zip(templates, again)]


def matrix_of(templates: Sequence[Template]) -> Matrix:
    rows: list[Any] = [each.row for each in templates]
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
