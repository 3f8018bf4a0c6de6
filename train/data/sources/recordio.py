"""MXNet's RecordIO, byte by byte: framing, and the header before each picture. No mxnet needed.

A record is a magic word, a word of 3 bits "part" and 29 bits length, the data, and zeros up to a
multiple of four. Where data holds the magic word at a multiple of four it is cut there into parts,
and the word left out: a reader can thus find the next record from anywhere.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAGIC",
    "BrokenRecord",
    "Header",
    "packed",
    "record_at",
    "record_offsets",
    "unpacked",
    "write_record",
]

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_FRAME = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_LENGTH_BITS = 29
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)

Buffer = NDArray[np.uint8]


class BrokenRecord(ValueError):
    """These bytes are not a RecordIO record; the message says how."""


class Header(NamedTuple):
    """What precedes the picture. `labels` holds one value, or as many as the flag says."""

    labels: tuple[float, ...]
    number: int
    flag: int


def record_at(data: Buffer, offset: int) -> bytes:
    """The record that begins at `offset`."""
    part, piece, after = _part_at(data, offset)
    if part == _WHOLE:
        return piece
    if part != _FIRST:
        raise BrokenRecord("it begins in the middle of a record")
    pieces = [piece]
    while part != _LAST:
        part, piece, after = _part_at(data, after)
        if part not in (_MIDDLE, _LAST):
            raise BrokenRecord("a record of several parts is cut short")
        pieces.append(piece)
    return _MAGIC_BYTES.join(pieces)


def record_offsets(data: Buffer) -> list[int]:
    """Where every record begins, found by walking from record to record."""
    offsets, at = [], 0
    while at < len(data):
        part, _, after = _frame_at(data, at)
        if part in (_WHOLE, _FIRST):
            offsets.append(at)
        at = after
    return offsets


def _part_at(data: Buffer, offset: int) -> tuple[int, bytes, int]:
    part, length, after = _frame_at(data, offset)
    start = offset + _FRAME.size
    return part, data[start : start + length].tobytes(), after


def _frame_at(data: Buffer, offset: int) -> tuple[int, int, int]:
    """Part, length, and where the next frame begins."""
    if not 0 <= offset <= len(data) - _FRAME.size:
        raise BrokenRecord(f"offset {offset} lies outside the file of {len(data)} bytes")
    magic, word = _FRAME.unpack(data[offset : offset + _FRAME.size].tobytes())
    if magic != MAGIC:
        raise BrokenRecord(f"no record begins at offset {offset}")
    part, length = word >> _LENGTH_BITS, word & _LENGTH_MASK
    if part > _LAST:
        raise BrokenRecord(f"unknown part {part} at offset {offset}")
    if offset + _FRAME.size + length > len(data):
        raise BrokenRecord("the file ends within the record")
    return part, length, offset + _FRAME.size + (length + 3) // 4 * 4


def unpacked(record: bytes) -> tuple[Header, bytes]:
    """Header and picture. A flag above zero counts the labels that follow the header."""
    if len(record) < _HEADER.size:
        raise BrokenRecord("the record is shorter than its header")
    flag, label, number, _ = _HEADER.unpack_from(record)
    if flag == 0:
        return Header((label,), number, flag), record[_HEADER.size :]
    end = _HEADER.size + 4 * flag
    if len(record) < end:
        raise BrokenRecord(f"the header promises {flag} labels and the record is too short")
    labels = struct.unpack_from(f"<{flag}f", record, _HEADER.size)
    return Header(labels, number, flag), record[end:]


def packed(labels: tuple[float, ...], number: int, picture: bytes, *, array: bool) -> bytes:
    """One label stands in the header itself, unless it is wanted as an array of labels."""
    if not array:
        (label,) = labels
        return _HEADER.pack(0, label, number, 0) + picture
    return (
        _HEADER.pack(len(labels), 0.0, number, 0)
        + struct.pack(f"<{len(labels)}f", *labels)
        + picture
    )


def write_record(stream: BinaryIO, record: bytes) -> int:
    """Append a record and return its offset."""
    offset = stream.tell()
    pieces = list(_pieces(record))
    for number, piece in enumerate(pieces):
        part = _part_of(number, len(pieces))
        if len(piece) > _LENGTH_MASK:
            raise BrokenRecord("a record of half a gigabyte or more cannot be written")
        stream.write(_FRAME.pack(MAGIC, part << _LENGTH_BITS | len(piece)))
        stream.write(piece + bytes(-len(piece) % 4))
    return offset


def _part_of(number: int, count: int) -> int:
    if count == 1:
        return _WHOLE
    return _FIRST if number == 0 else _LAST if number == count - 1 else _MIDDLE


def _pieces(record: bytes) -> Iterator[bytes]:
    """Cut at each magic word that stands at a multiple of four, and leave it out."""
    start = 0
    at = record.find(_MAGIC_BYTES)
    while at >= 0:
        if at % 4 == 0:
            yield record[start:at]
            start = at + 4
            at = record.find(_MAGIC_BYTES, start)
        else:
            at = record.find(_MAGIC_BYTES, at + 1)
    yield record[start:]
