"""What is in a file besides its own bytes: archives unpacked and text decoded, in memory."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import IO

import numpy as np

from embedge.errors import ours
from embedge.runtime.gallery.leftovers.budget import Effort, Spent
from embedge.runtime.gallery.leftovers.databases import values_of_databases
from embedge.runtime.gallery.leftovers.streams import streams
from embedge.runtime.gallery.leftovers.written import decoded

__all__ = ["Content", "contents"]

_DEEPEST = 5
_PART, _SHORT = 1 << 20, 4096  # bytes
_BROKEN = (  # a RuntimeError is zipfile's: of a password, or of a way to compress that it lacks
    *(OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, tarfile.TarError),
)
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04")
_CLOSED = (
    *((b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!", "a rar archive")),
    *((b"\x28\xb5\x2f\xfd", "compressed by zstd"), (b"\x04\x22\x4d\x18", "compressed by lz4")),
    *((b"LZIP", "compressed by lzip"), (b"\x1f\x9d", "compressed by compress")),
    *(
        (b"\x89LZO", "compressed by lzop"),
        (b"hsqs", "a squashfs image"),
        (b"MSCF", "a cab archive"),
    ),
    *((b"Salted__", "encrypted by openssl"), (b"LUKS\xba\xbe", "an encrypted disk")),
    *((b"age-encryption.org", "encrypted by age"), (b"-----BEGIN AGE", "encrypted by age")),
    *((b"-----BEGIN PGP MESSAGE", "encrypted by PGP"), (b"\x8c\x0d\x04", "encrypted by PGP")),
)
_MEDIA = (  # of their own kind
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"OggS", b"fLaC"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),  # JPEG 2000
    *(b"\x1a\x45\xdf\xa3", b"wOFF", b"wOF2"),  # Matroska and WebM, fonts
)
_LEAST_RANDOM, _LOOKED_AT = 2048, 1 << 22  # bytes
_RANDOM = 255 + 5 * 22.6  # chi-square of fair dice with 256 sides

Content = tuple[str, bytes]


def contents(name: str, data: bytes, budget: Effort) -> Iterator[Content]:
    """The bytes themselves, then whatever is packed in them or written as text, however deep."""
    _require_open(name, data, budget)
    yield from _contents(name, data, budget, 0)


def _contents(name: str, data: bytes, budget: Effort, depth: int) -> Iterator[Content]:
    yield name, data
    values = values_of_databases(data, budget.again())
    inner = chain(
        [(f"{name} (its values)", values)] if values else [],
        _unpacked(name, data, budget),
        _decoded(name, data, budget),
    )
    for label, part in inner:
        if depth == _DEEPEST:
            budget.closed[label] = "packed too deeply"
            return
        yield from _contents(label, part, budget, depth + 1)


def _decoded(name: str, data: bytes, budget: Effort) -> Iterator[Content]:
    for form, part, digests in decoded(data):
        budget.spend(len(part))
        label = f"{name} ({form})"
        if not digests:  # each of them is random, and too short for anything
            _require_open(label, part, budget)
        yield label, part


def _unpacked(name: str, data: bytes, budget: Effort) -> Iterator[Content]:
    for label, part in _members(name, data, budget):
        _require_open(label, part, budget)
        yield label, part


def _members(name: str, data: bytes, budget: Effort) -> Iterator[Content]:
    stream = io.BytesIO(data)
    if _is_tar(data):
        yield from _tarred(name, stream, budget)
    zipped = zipfile.is_zipfile(stream)
    if zipped or data.startswith(b"PK\x03\x04"):
        yield from _zipped(name, stream, budget)
    short = list[bytes]()
    for each in streams(data, budget, zipped=zipped):
        if len(each.data) < _SHORT and not each.broken:  # packs of git have thousands
            short.append(each.data)
            continue
        if each.broken:
            label = f"{name} ({each.form})"
            budget.closed[label] = f"packed, and could not be unpacked ({each.broken})"
        yield f"{name} ({each.form})", each.data
    if short:
        yield f"{name} (short streams)", bytes(16).join(short)


def _is_tar(data: bytes) -> bool:
    """By the sum in its first header, which the oldest tars have as well."""
    try:
        told = int(data[148:156].strip(b" \0"), 8)
    except ours(ValueError):
        return False
    return len(data) >= 512 and sum(data[:148]) + 8 * ord(" ") + sum(data[156:512]) == told


def _tarred(name: str, stream: IO[bytes], budget: Effort) -> Iterator[Content]:
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                if member.isreg():
                    opening = partial(_extracted, archive, member)
                    yield from _read(f"{name} ({member.name})", opening, budget)
    except _BROKEN as error:
        _note(name, error, budget)


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return archive.extractfile(member) or io.BytesIO()


def _zipped(name: str, stream: IO[bytes], budget: Effort) -> Iterator[Content]:
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                label = f"{name} ({member.filename})"
                yield from _read(label, partial(archive.open, member), budget)
    except _BROKEN as error:
        _note(name, error, budget)


def _read(
    name: str, opening: Callable[[], IO[bytes] | io.BufferedIOBase], budget: Effort
) -> Iterator[Content]:
    """As much as can be unpacked; what cannot is noted."""
    parts = list[bytes]()
    try:
        with opening() as stream:
            while part := stream.read(_PART):
                budget.spend(len(part))
                parts.append(part)
    except _BROKEN as error:
        _note(name, error, budget)
    yield name, b"".join(parts)


def _note(name: str, error: Exception, budget: Effort) -> None:
    if isinstance(error, Spent):
        raise error
    budget.closed[name] = f"packed, and could not be unpacked ({error})"


def _require_open(name: str, data: bytes, budget: Effort) -> None:
    """Note what looks like nothing that can be read here."""
    for magic, what in _CLOSED:
        if data.startswith(magic):
            budget.closed[name] = what
            return
    known = *_MEDIA, *_PACKED
    if data.startswith(known) or _is_boxed(data) or len(data) < _LEAST_RANDOM:
        return
    if _chi_square(data[:_LOOKED_AT]) < _RANDOM:
        budget.closed[name] = "it looks encrypted or compressed, and nobody can tell what it holds"


def _is_boxed(data: bytes) -> bool:
    """WebP, WAV, AVI; HEIF, AVIF, MP4: their boxes end where the file does."""
    if data.startswith(b"RIFF"):
        return 0 <= len(data) - 8 - int.from_bytes(data[4:8], "little") <= 1
    at, boxes = 0, 0
    while data[4:8] == b"ftyp" and at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        at, boxes = at + size if size >= 8 else len(data) + (size > 0), boxes + 1
    return at == len(data) and boxes > 1


def _chi_square(data: bytes) -> float:
    """Of bytes that are all as frequent it is 255, give or take 23."""
    fair = len(data) / 256
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    return float(((counts - fair) ** 2).sum() / fair)
