"""Compressed streams at any byte of some bytes: gzip, zlib, bzip2, xz, and the deflate of a zip."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

from embedge.runtime.gallery.leftovers.budget import Effort, Spent

__all__ = ["Stream", "streams"]

_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    **{b"BZh%d1AY&SY" % size: "bzip2" for size in range(1, 10)},
    **dict.fromkeys((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), "zlib"),
    b"PK\x03\x04": "zip",
}
_TRIED, _PART = 4096, 1 << 20  # bytes: of what is tried first, and then at a time
_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
    "zlib": zlib.decompressobj,
    "zip": lambda: zlib.decompressobj(-15),
    "deflate": lambda: zlib.decompressobj(-15),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """`broken` says why it ends before its end, where that is no chance of other bytes."""

    form: str
    data: bytes
    end: int
    broken: str = ""


def streams(data: bytes, budget: Effort, *, zipped: bool) -> Iterator[Stream]:
    """`zipped`: its members are read as those of a zip. What is in a stream is no other's."""
    bare = _stream("deflate", data, 0, budget)
    if bare.data and bare.end == len(data):  # it has no magic
        yield bare
    at, places = 0, dict.fromkeys(_MAGIC, -1)
    while True:
        for magic, place in places.items():
            if place < at and place < len(data):
                places[magic] = data.find(magic, at) % (len(data) + 1)
        magic, start = min(places.items(), key=itemgetter(1))
        if start >= len(data):
            return
        budget.tick()
        kind, at = _MAGIC[magic], start + 1
        if kind != "zip" or not (zipped or data[start + 8 : start + 10] != b"\x08\0"):
            stream = _stream(kind, data, start, budget)
            at = max(at, stream.end)
            if stream.data or stream.broken:
                yield stream


def _stream(kind: str, data: bytes, start: int, budget: Effort) -> Stream:
    unpacker, parts, broken = _UNPACKERS[kind](), list[bytes](), ""
    at = start + (_before(data, start) if kind == "zip" else 0)
    try:
        while at < len(data) and not unpacker.eof:
            size = _PART if parts else _TRIED
            for part in _parts(unpacker, data[at : at + size]):
                budget.spend(len(part))
                parts.append(part)
            at = min(at + size, len(data))
    except Spent:
        raise
    except _BROKEN as error:
        broken = str(error)
    form, whole = f"{kind} at byte {start}", b"".join(parts)
    if unpacker.eof:
        return Stream(form, whole, at - len(unpacker.unused_data))
    if _is_one(kind, start, whole, tried=at > start + _TRIED or not broken):
        return Stream(form, whole, 0, broken or "it ends too early")
    return Stream(form, whole, 0)


def _parts(unpacker: _Unpacker, packed: bytes) -> Iterator[bytes]:
    while not unpacker.eof:
        part = unpacker.decompress(packed, _PART)
        yield part
        packed = getattr(unpacker, "unconsumed_tail", b"")  # the others keep it themselves
        if len(part) < _PART and not packed:
            break


def _before(data: bytes, start: int) -> int:
    """Bytes of a zip's local header, with the name and what else is in it."""
    name, more = (int.from_bytes(data[start + at : start + at + 2], "little") for at in (26, 28))
    return 30 + name + more


def _is_one(kind: str, start: int, whole: bytes, *, tried: bool) -> bool:
    """Whether what breaks off was a stream at all: other bytes begin like one by chance."""
    match kind:
        case "bzip2":
            return True
        case "gzip" | "xz" if start == 0:
            return True
        case "zlib" if start > 0:  # a PNG has such in pieces
            return False
    return bool(whole) and tried
