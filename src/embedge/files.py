"""Files that are whole or absent: write, fsync, rename."""

import errno
import hashlib
import json
import mmap
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, ours

_CHUNK = 1 << 20


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` on success and vanishes on failure."""
    path = _own_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        mode = stat.S_IMODE(part.stat().st_mode)  # less the umask, which cannot be asked for alone
        yield part
        sync(part)
        part.chmod(mode)
        part.replace(path)
        sync(path.parent)
    except ours(Exception) as error:
        if not is_of_the_disk(error):
            raise
        raise _disk_error(error, path) from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def is_of_the_disk(error: BaseException) -> bool:
    """Whether the file system refused; a library in Rust (safetensors) tells so only in words."""
    told = "(os error " in str(error) and not isinstance(error, EmbedgeError)
    return isinstance(error, OSError) or told


def reserve(path: Path) -> None:
    """Take the room of a file with holes: whoever wrote into a mapped one would die of it later."""
    with path.open("r+b") as stream:
        if size := os.fstat(stream.fileno()).st_size:
            os.posix_fallocate(stream.fileno(), 0, size)


def require_writable(path: Path) -> None:
    """Told before the work that would end in this file."""
    path = _own_place(path)
    folder = next(one for one in path.absolute().parents if one.is_dir())
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=folder).close()
    except ours(OSError) as error:
        raise _disk_error(error, path) from error


def _own_place(path: Path) -> Path:
    """Where a link leads. What a rename would replace and is no file, as /dev/null, is refused."""
    place = path.resolve() if path.is_symlink() else path
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise EmbedgeError(
            "E-WRITE",
            "it is a device or a pipe, which a file would replace",
            where=path,
            remedy="Choose a file to write to",
        )
    return place


def sweep_parts(folder: Path) -> None:
    """Remove what killed writers left under a folder that nobody else writes to."""
    for part in folder.rglob(".*.part"):
        if part.is_file():
            part.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    with whole_file(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Human-readable JSON; NaN and infinity are refused because JSON has neither."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def unreadable_file(error: OSError) -> str:
    """What stands in the way of reading a file, as people say it."""
    known = {
        FileNotFoundError: "there is no such file",
        IsADirectoryError: "it is a folder, not a file",
        NotADirectoryError: "there is no such file",
        PermissionError: "it may not be read",
    }
    return known.get(type(error)) or error.strerror or str(error)


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Digest of a JSON value, independent of key order and white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sync(path: Path) -> None:
    """What a file or a folder holds is on the disk to stay."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync_open(descriptor)
    finally:
        os.close(descriptor)


def sync_open(descriptor: int) -> None:
    """Some file systems (SMB, FUSE) cannot say so of a folder, whose names they keep themselves."""
    try:
        os.fsync(descriptor)
    except ours(OSError) as error:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not folder or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise


def _disk_error(error: Exception, path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-WRITE",
        f"cannot write the file: {getattr(error, 'strerror', None) or error}",
        where=path,
        remedy="Free some space or choose a folder you may write to; nothing half-written was left",
    )


def let_go(mapped: object) -> None:
    """Give back the memory of a mapped array's pages; they are read again when they are wanted."""
    pages = getattr(mapped, "_mmap", None)
    if pages is not None:
        pages.madvise(mmap.MADV_DONTNEED)
