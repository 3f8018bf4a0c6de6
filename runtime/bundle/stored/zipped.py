"""What a zip file may cost before anybody has vouched for it: entries, bytes, ratio, methods."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

from embedge.runtime.reading import opened

__all__ = ["require_modest", "require_small_directory"]

_LARGEST_DIRECTORY = 2 << 20  # some ten thousand entries with long names
_LARGEST_ENTRY = 2 << 30
_FREE = 64 << 20  # what any zip may unpack to, however small it is
_RATIO = 20  # weights shrink by a third; a report of text, ten times
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END, _END_BYTES = b"PK\x05\x06", 22
_END_64, _END_64_BYTES = b"PK\x06\x07", 20


def require_small_directory(path: Path) -> None:
    """The list of entries is parsed before anything else, so its size is looked at before that.

    It stands at the end where zipfile looks for it; the form for more than 4 GiB is refused.
    """
    with opened(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _END_BYTES - 0xFFFF - _END_64_BYTES))
        tail = stream.read()
    end = len(tail) - _END_BYTES
    if end < 0 or tail[end : end + 4] != _END or tail[-2:] != b"\0\0":
        end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise ValueError("it has no list of entries")
    if tail[max(0, end - _END_64_BYTES) : end].startswith(_END_64):
        raise ValueError("it is in the form for more than 4 GiB")
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    if directory > _LARGEST_DIRECTORY:
        raise ValueError("its list of entries is too long")


def require_modest(entries: Sequence[zipfile.ZipInfo], packed: int) -> None:
    """All of it together may unpack to so much and no more; a ValueError says what is too much."""
    for entry in entries:
        if entry.compress_type not in _METHODS:
            raise ValueError(f"{entry.filename} is packed by method {entry.compress_type}")
        if entry.file_size > _LARGEST_ENTRY:
            raise ValueError(f"{entry.filename} unpacks to more than {_LARGEST_ENTRY >> 30} GiB")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _FREE + _RATIO * packed:
        raise ValueError(f"its {packed:,} bytes unpack to {unpacked:,}")
