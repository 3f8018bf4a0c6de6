"""RecordIO, compared byte by byte with the format's description."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from embedge.train.data.sources.recordio import (
    MAGIC,
    BrokenRecord,
    packed,
    record_at,
    record_offsets,
    unpacked,
    write_record,
)

MAGIC_BYTES = b"\x0a\x23\xd7\xce"


def written(*records: bytes) -> tuple[np.ndarray, list[int]]:
    stream = io.BytesIO()
    offsets = [write_record(stream, record) for record in records]
    return np.frombuffer(stream.getvalue(), np.uint8), offsets


def test_the_magic_word_in_little_endian() -> None:
    assert struct.pack("<I", MAGIC) == MAGIC_BYTES


def test_a_whole_record_byte_by_byte() -> None:
    data, _ = written(b"abcde")
    assert data.tobytes() == MAGIC_BYTES + b"\x05\x00\x00\x00" + b"abcde\x00\x00\x00"


def test_a_record_with_the_magic_word_inside_is_cut_there() -> None:
    """Parts 1, 2 and 3 stand in the three upper bits of the second word."""
    data, _ = written(b"abcd" + MAGIC_BYTES + b"efgh" + MAGIC_BYTES + b"ij")
    first, middle, last = (
        struct.pack("<II", MAGIC, part << 29 | n) for part, n in ((1, 4), (2, 4), (3, 2))
    )
    assert data.tobytes() == first + b"abcd" + middle + b"efgh" + last + b"ij\0\0"


def test_a_magic_word_off_the_grid_is_left_alone() -> None:
    data, _ = written(b"x" + MAGIC_BYTES + b"y")
    assert data.tobytes()[8:14] == b"x" + MAGIC_BYTES + b"y"
    assert record_at(data, 0) == b"x" + MAGIC_BYTES + b"y"


@pytest.mark.parametrize(
    "record",
    [b"", b"a", b"abcd", MAGIC_BYTES, MAGIC_BYTES * 3, b"abcd" + MAGIC_BYTES, MAGIC_BYTES + b"a"],
)
def test_round_trip(record: bytes) -> None:
    data, offsets = written(b"before", record, b"after")
    assert [record_at(data, offset) for offset in offsets] == [b"before", record, b"after"]
    assert record_offsets(data) == offsets


def test_the_header_byte_by_byte() -> None:
    assert packed((7.0,), 3, b"JPG", array=False) == (
        b"\0\0\0\0" + struct.pack("<f", 7.0) + b"\3" + bytes(15) + b"JPG"
    )
    assert packed((7.0, 9.0), 3, b"JPG", array=True) == (
        b"\2\0\0\0" + bytes(4) + b"\3" + bytes(15) + struct.pack("<ff", 7.0, 9.0) + b"JPG"
    )


@pytest.mark.parametrize(("labels", "array"), [((7.0,), False), ((7.0,), True), ((1.0, 2.0), True)])
def test_header_round_trip(labels: tuple[float, ...], array: bool) -> None:
    header, picture = unpacked(packed(labels, 5, b"JPG", array=array))
    assert header == (labels, 5, len(labels) if array else 0)
    assert picture == b"JPG"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"\0" + data[1:], "no record begins"),
        (lambda data: data[:10], "file ends within"),
        (lambda data: data[:6], "outside the file"),
        (lambda data: data[:4] + struct.pack("<I", 2 << 29 | 5) + data[8:], "middle of a record"),
        (lambda data: data[:4] + struct.pack("<I", 7 << 29 | 5) + data[8:], "unknown part 7"),
        (lambda data: data[:4] + struct.pack("<I", 1 << 29 | 5) + data[8:], "outside the file"),
    ],
)
def test_broken_frames_are_named(change: Callable[..., Any], message: str) -> None:
    data, _ = written(b"abcde")
    broken = np.frombuffer(change(data.tobytes()), np.uint8)
    with pytest.raises(BrokenRecord, match=message):
        record_at(broken, 0)


def test_broken_headers_are_named() -> None:
    with pytest.raises(BrokenRecord, match="shorter than its header"):
        unpacked(b"abc")
    with pytest.raises(BrokenRecord, match="promises 900 labels"):
        unpacked(struct.pack("<IfQQ", 900, 0, 0, 0) + b"abc")
