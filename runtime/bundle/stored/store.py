"""Where a bundle's bytes come from: a folder or a zip file, both distrusted."""

import errno
import hashlib
import os
import stat
import sys
import weakref
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from embedge.errors import EmbedgeError, Passing, ours
from embedge.printed import printable
from embedge.runtime.bundle.stored.zipped import require_modest, require_small_directory
from embedge.runtime.closing import closed_error
from embedge.runtime.reading import opened

__all__ = ["FolderStore", "Store", "ZipStore", "replaced_error"]

_MOST_FILES = 10_000
_CHUNK = 1 << 20
_LARGEST = 1 << 32
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
# RuntimeError: what zipfile says of a newer format than it knows
_UNREADABLE = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


class Store(ABC):
    """Names stay inside, sizes are kept, errors name the bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> list[str]:
        """Every file, as a relative path with forward slashes."""

    @abstractmethod
    def close(self) -> None:
        """Let go; what is closed already stays closed."""

    def was_replaced(self) -> bool:
        """Whether another one has its place now."""
        return False

    def check_name(self, name: str) -> None:
        """Plain relative paths only, the same on every system."""
        parts = PurePosixPath(name).parts
        plain = "/".join(parts) == name and not {".", "..", "/"} & set(parts)
        if not name or not plain or not name.isprintable() or any(mark in name for mark in "\\:"):
            raise self.refusal(f"the file name {name!r} is not allowed")

    def refusal(self, what: str) -> EmbedgeError:
        return EmbedgeError(
            "E-BUNDLE",
            f"this bundle is damaged or was tampered with: {printable(what)}",
            where=self.path,
            remedy="Copy it again from where it was made; do not use it as it is",
        )

    def read(self, name: str, size: int | None, *, limit: int = _LARGEST) -> bytes:
        """A file of exactly `size` bytes, or of at most `limit` where no size is stated."""
        with self._opened(name, size, limit) as (stream, most):
            data = self._pulled(name, stream, most + 1)  # never more, whatever was claimed
        self._sized(name, len(data), most, limit)
        return data

    def digest(self, name: str, size: int) -> str:
        """sha256 of a file of exactly `size` bytes, read a piece at a time."""
        digest, left = hashlib.sha256(), size
        with self._opened(name, size, _LARGEST) as (stream, _):
            while piece := self._pulled(name, stream, min(left + 1, _CHUNK)):
                digest.update(piece)
                left -= len(piece)
                if left < 0:
                    break
        self._sized(name, size - left, size, _LARGEST)
        return digest.hexdigest()

    @abstractmethod
    def _opened(
        self, name: str, size: int | None, limit: int
    ) -> AbstractContextManager[tuple[BinaryIO, int]]:
        """The file and how many bytes it may have."""

    def _pulled(self, name: str, stream: BinaryIO, count: int) -> bytes:
        try:
            return stream.read(count)
        except ours(_UNREADABLE) as error:
            raise self.refusal(f"{name} cannot be read ({error})") from error

    def _sized(self, name: str, actual: int, size: int | None, limit: int) -> int:
        if size is not None and actual != size:
            raise self.refusal(f"{name} has {actual} bytes, the manifest says {size}")
        if actual > limit:
            raise self.refusal(f"{name} has {actual} bytes, at most {limit} are allowed")
        return actual


def replaced_error(path: Path) -> EmbedgeError:
    told = "the bundle was replaced while it was being read"
    return EmbedgeError("E-BUNDLE-REPLACED", told, where=path, remedy="Open it again")


class FolderStore(Store):
    """Holds the folder itself, whatever else gets its name meanwhile."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._held = os.open(path, _FOLDER)
        self._let_go = weakref.finalize(self, os.close, self._held)

    def names(self) -> list[str]:
        found: list[str] = []
        folders = [PurePosixPath()]
        for folder in folders:  # which grow meanwhile
            with self._refusing(folder):
                inside = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folder)
                try:
                    names = [folder / each.name for each in os.scandir(inside)]
                finally:
                    os.close(inside)
                for name in names:
                    folders.append(name) if self._is_folder(name) else found.append(str(name))
            if len(found) + len(folders) > _MOST_FILES:
                raise self.refusal(f"it holds more than {_MOST_FILES} files")
        return found

    def holds(self, name: str) -> bool:
        with Passing(OSError):
            return not self._is_folder(PurePosixPath(name))
        return False

    @contextmanager
    def _opened(self, name: str, size: int | None, limit: int) -> Iterator[tuple[BinaryIO, int]]:
        self.check_name(name)
        path = PurePosixPath(name)
        with self._refusing(path):
            for step in (path, *path.parents[:-1]):
                self._is_folder(step)
            stream = opened(path, follow=False, within=self._folder)
        with stream:
            yield stream, self._sized(name, os.fstat(stream.fileno()).st_size, size, limit)

    @contextmanager
    def _refusing(self, name: PurePosixPath) -> Iterator[None]:
        try:
            yield
        except ours(FileNotFoundError) as error:
            raise self.refusal(f"{name} is missing") from error
        except ours(OSError) as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                what, where = f"the bundle cannot be read: {error.strerror}", self.path
                remedy = "Close files that are open, or allow more of them (ulimit -n)"
                raise EmbedgeError("E-BUNDLE-MISSING", what, where=where, remedy=remedy) from error
            raise self.refusal(f"{name} cannot be read ({error.strerror})") from error

    @property
    def _folder(self) -> int:
        if not self._let_go.alive:
            raise closed_error("bundle")
        return self._held

    def _is_folder(self, name: PurePosixPath) -> bool:
        mode = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise self.refusal(f"{name} is a link or a device, not a file")
        return stat.S_ISDIR(mode)

    def refusal(self, what: str) -> EmbedgeError:
        return replaced_error(self.path) if self.was_replaced() else super().refusal(what)

    def was_replaced(self) -> bool:
        with Passing(OSError):
            return not os.path.samestat(self.path.stat(), os.fstat(self._folder))
        return False

    def close(self) -> None:
        self._let_go()


def _opened_zip(path: Path) -> zipfile.ZipFile:
    """zipfile takes any OSError for the end of a short file, a deadline's as well."""
    before = sys.exception()
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        if (meant := error.__context__) is not None and meant is not before:
            with Passing(Exception):
                raise meant from None
    return zipfile.ZipFile(path)  # only what is found twice is believed


class ZipStore(Store):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            require_small_directory(path)
            self._zip = _opened_zip(path)
        except ours(_UNREADABLE) as error:
            raise self.refusal(f"it is neither a folder nor a zip file ({error})") from error
        try:
            self._entries = self._plain_entries()
        except BaseException:
            self._zip.close()
            raise

    def _plain_entries(self) -> dict[str, zipfile.ZipInfo]:
        """Names without the one top folder that zipping a folder may add."""
        # not is_dir(), which trips over an empty name
        infos = [info for info in self._zip.infolist() if not info.filename.endswith("/")]
        if len(infos) > _MOST_FILES:
            raise self.refusal(f"it holds more than {_MOST_FILES} files")
        for info in infos:
            self._check_entry(info)
        try:
            require_modest(infos, self.path.stat().st_size)
        except ours(ValueError) as error:
            raise self.refusal(str(error)) from error
        top = self._top_folder([info.filename for info in infos])
        entries = {info.filename.removeprefix(top): info for info in infos}
        if len(entries) != len(infos):
            raise self.refusal("a file name occurs twice")
        return entries

    def _check_entry(self, info: zipfile.ZipInfo) -> None:
        self.check_name(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise self.refusal(f"{info.filename} is a link or a device, not a file")
        if info.flag_bits & 1:
            raise self.refusal(f"{info.filename} is encrypted")

    @staticmethod
    def _top_folder(names: list[str]) -> str:
        tops = {name.partition("/")[0] for name in names}
        if len(tops) == 1 and f"{(top := tops.pop())}/manifest.json" in names:
            return f"{top}/"
        return ""

    def names(self) -> list[str]:
        return list(self._entries)

    @contextmanager
    def _opened(self, name: str, size: int | None, limit: int) -> Iterator[tuple[BinaryIO, int]]:
        if self._zip.fp is None:
            raise closed_error("bundle")
        if name not in self._entries:
            raise self.refusal(f"{name} is missing")
        info = self._entries[name]
        most = self._sized(name, info.file_size, size, limit)
        try:
            stream = self._zip.open(info)
        except ours(_UNREADABLE) as error:
            raise self.refusal(f"{name} cannot be unpacked ({error})") from error
        with stream:
            yield cast(BinaryIO, stream), most

    def close(self) -> None:
        self._zip.close()
