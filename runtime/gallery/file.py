"""One gallery file: append, commit, read beside a writer, rewrite, all of it safe to kill."""

import errno
import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.keys import derived
from embedge.runtime.gallery.layout import LARGEST_FRAME, Commit, Damaged, Header, Layout
from embedge.runtime.gallery.records import Block
from embedge.runtime.gallery.seal import AesSeal, ChecksumSeal, Seal

__all__ = ["GalleryFile", "new_header"]

_CHUNK = 1 << 20


class GalleryFile:
    """The open file. A writer holds an exclusive lock on it; readers hold none."""

    def __init__(self, path: Path, descriptor: int, key: bytes | None, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self._descriptor = descriptor
        self._key = key
        try:
            self.header, raw = Header.read(self)
        except Damaged as error:
            raise self.damage(error) from error
        self.layout = Layout(raw, _seal_for(self.header, key, path))
        self.commit = self._last_commit()

    @classmethod
    def create(cls, path: Path, header: Header, key: bytes | None) -> Self:
        """A new, empty gallery; an existing file is never touched."""
        if os.path.lexists(path):
            raise EmbedgeError(
                "E-GALLERY-EXISTS",
                "there is a file here already",
                where=path,
                remedy="Choose another name, or enrol into the gallery that is there",
            )
        part = part_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(part, header, key, ())
            os.link(part, path)  # unlike a rename, this never replaces anything
            _sync_folder(path)
        except OSError as error:
            raise write_error(error, path) from error
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        return cls.open(path, key, writable=True)

    @classmethod
    def open(cls, path: Path, key: bytes | None, *, writable: bool) -> Self:
        flags = os.O_RDWR if writable else os.O_RDONLY
        while True:
            try:
                descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise _open_error(error, path) from error
            try:
                if writable:
                    _lock(descriptor, path)
                    if not _is_at(descriptor, path):  # rewritten while we waited
                        os.close(descriptor)
                        continue
                file = cls(path, descriptor, key, writable=writable)
                if writable:
                    file._clean_up()
                return file
            except BaseException as error:
                replaced = isinstance(error, EmbedgeError) and not _is_at(descriptor, path)
                os.close(descriptor)
                if not replaced:  # else it was rewritten, and the old file wiped, under our eyes
                    raise

    def pread(self, size: int, offset: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end of the file."""
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self._descriptor, size, offset)):
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def blocks(self, since: Commit | None = None) -> Iterator[Block]:
        """Every committed block, or those after `since`."""
        return (block for block, _, _ in self.placed_blocks(since))

    def placed_blocks(self, since: Commit | None = None) -> Iterator[tuple[Block, int, int]]:
        """(block, offset, length) of its sealed bytes."""
        start = since or self.layout.first_commit()
        try:
            for payload, offset, length in self.layout.frames(self, start, self.commit):
                block = Block.from_bytes(payload, self.header.rows, self.header.contract.dim)
                yield block, offset, length
        except Damaged as error:
            raise self.damage(error) from error

    def append(self, block: Block) -> None:
        """Returns when the block is on the disk to stay; on failure the file is as before."""
        frame = self.layout.frame_bytes(block.to_bytes(), self.commit.frames)
        if len(frame) > LARGEST_FRAME:
            raise ValueError("the caller splits what is enrolled into smaller blocks")
        commit = Commit(
            self.commit.counter + 1, self.commit.frames + 1, self.commit.end + len(frame)
        )
        try:
            _write_at(self._descriptor, frame, self.commit.end)
            os.fsync(self._descriptor)
            _write_at(self._descriptor, *self.layout.slot_bytes(commit))
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):  # what was not committed does not count, truncated or not
                os.ftruncate(self._descriptor, self.commit.end)
            raise write_error(error, self.path) from error
        self.commit = commit

    def moved(self) -> bool:
        """Whether the path now leads to another file: the gallery was rewritten."""
        return not _is_at(self._descriptor, self.path)

    def advance(self) -> Commit:
        """See what the writer has committed since; the commit that was known before."""
        before = self.commit
        self.commit = self._last_commit()
        return before

    def rewrite(self, blocks: Iterable[Block], header: Header, key: bytes | None) -> None:
        """Replace the file by a new one of these blocks, then overwrite the old one's bytes."""
        part = part_of(self.path)
        try:
            descriptor = _write_new(part, header, key, blocks, keep_open=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            part.rename(self.path)
            _sync_folder(self.path)
        except OSError as error:
            raise write_error(error, self.path) from error
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        old, self._descriptor = self._descriptor, descriptor
        _wipe(old)
        os.close(old)
        self._key, self.header = key, header
        self.layout = Layout(header.to_bytes(), _seal_for(header, key, self.path))
        self.commit = self._last_commit()

    def damage(self, error: Damaged) -> EmbedgeError:
        return EmbedgeError(
            "E-GALLERY",
            f"this gallery is damaged or was tampered with: {error}",
            where=self.path,
            remedy="Restore it from a copy; nothing in it was changed",
        )

    def _last_commit(self) -> Commit:
        try:
            return self.layout.commit_of(self)
        except Damaged as error:
            raise self.damage(error) from error

    def _clean_up(self) -> None:
        """What a killed writer left: half a block at the end, an unfinished rewriting to wipe."""
        os.ftruncate(self._descriptor, self.commit.end)
        with suppress(FileNotFoundError):
            descriptor = os.open(part_of(self.path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            _wipe(descriptor)
            os.close(descriptor)
            part_of(self.path).unlink()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def new_header(
    contract: EmbeddingContract, rows: str, key: bytes | None, gallery: str | None = None
) -> Header:
    """A header for a new writing of a gallery, with an epoch nobody has seen."""
    epoch = os.urandom(16).hex()
    header = Header(
        gallery=gallery or os.urandom(16).hex(),
        epoch=epoch,
        contract=contract,
        rows=rows,
        cipher="none" if key is None else "AES-256-GCM",
        key_check="",
    )
    return header if key is None else replace(header, key_check=_key_check(key, epoch))


def part_of(path: Path) -> Path:
    """Where the next writing of a gallery is prepared; only its writer ever uses it."""
    return path.with_name(f".{path.name}.part")


def write_error(error: OSError, path: Path) -> EmbedgeError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return EmbedgeError(
        "E-WRITE",
        f"cannot write the gallery: {error.strerror or error}",
        where=path,
        remedy="Free some space and try again; the gallery is as it was before"
        if full
        else "Choose a place you may write to; the gallery is as it was before",
    )


def _write_new(
    part: Path,
    header: Header,
    key: bytes | None,
    blocks: Iterable[Block],
    *,
    keep_open: bool = False,
) -> int:
    """Write a whole file; everything is on the disk before its commit record says so."""
    with suppress(FileNotFoundError):
        part.unlink()
    raw = header.to_bytes()
    layout = Layout(raw, _seal_for(header, key, part))
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600)
    try:
        commit = layout.first_commit()
        _write_at(descriptor, raw, 0)
        for block in blocks:
            frame = layout.frame_bytes(block.to_bytes(), commit.frames)
            _write_at(descriptor, frame, commit.end)
            commit = Commit(0, commit.frames + 1, commit.end + len(frame))
        _write_at(descriptor, bytes(layout.start - len(raw)), len(raw))
        _write_at(descriptor, *layout.slot_bytes(commit))
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if not keep_open:
        os.close(descriptor)
    return descriptor


def _seal_for(header: Header, key: bytes | None, path: Path) -> Seal:
    if header.cipher == "none":
        return ChecksumSeal()
    if key is None:
        raise EmbedgeError(
            "E-KEY",
            "the gallery is encrypted and no key was given",
            where=path,
            remedy="Give --key-file FILE, or set EMBEDGE_GALLERY_KEY",
        )
    if not hmac.compare_digest(header.key_check, _key_check(key, header.epoch)):
        raise EmbedgeError(
            "E-KEY",
            "the key is not this gallery's key",
            where=path,
            remedy="Use the key it was created with; without it nothing can be read",
        )
    return AesSeal(derived(key, bytes.fromhex(header.epoch), "data"))


def _key_check(key: bytes, epoch: str) -> str:
    return hmac.new(key, b"embedge key check" + epoch.encode(), hashlib.sha256).hexdigest()[:16]


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _wipe(descriptor: int) -> None:
    """Zeros over every byte; what a flash controller keeps elsewhere is out of reach."""
    size = os.fstat(descriptor).st_size
    for offset in range(0, size, _CHUNK):
        _write_at(descriptor, bytes(min(_CHUNK, size - offset)), offset)
    os.fsync(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise EmbedgeError(
            "E-GALLERY-BUSY",
            "another process is writing to this gallery",
            where=path,
            remedy="Wait for it to finish; readers need not wait",
        ) from error


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        here, there = os.fstat(descriptor), path.stat()
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _open_error(error: OSError, path: Path) -> EmbedgeError:
    missing = isinstance(error, FileNotFoundError)
    return EmbedgeError(
        "E-GALLERY-MISSING",
        f"the gallery cannot be opened: {error.strerror}",
        where=path,
        remedy="Enrol somebody to create it" if missing else "Check its permissions",
    )


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
