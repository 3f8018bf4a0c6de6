"""Where a bundle's bytes come from: a folder or a zip file, both distrusted."""

import hashlib
import os
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from embedge.errors import EmbedgeError, ours
from embedge.printed import printable
from embedge.runtime.bundle.zipped import require_modest, require_small_directory
from embedge.runtime.reading import opened

__all__ = ["FolderStore", "Store", "ZipStore"]

_MOST_FILES = 10_000
_CHUNK = 1 << 20
_LARGEST = 1 << 32


class Store(Protocol):
    path: Path

    def names(self) -> list[str]:
        """Every file, as a relative path with forward slashes."""
        ...

    def read(self, name: str, size: int | None, *, limit: int = ...) -> bytes:
        """A file of exactly `size` bytes, or of at most `limit` where no size is stated."""
        ...

    def digest(self, name: str, size: int) -> str:
        """sha256 of a file of exactly `size` bytes, read a piece at a time."""
        ...

    def check_name(self, name: str) -> None: ...
    def refusal(self, what: str) -> EmbedgeError: ...
    def close(self) -> None: ...


class _Checked(ABC):
    """What both stores share: names stay inside, sizes are kept, errors name the bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
        with self._opened(name, size, limit) as (stream, most):
            data = self._pulled(name, stream, most + 1)  # never more, whatever was claimed
        self._sized(name, len(data), most, limit)
        return data

    def digest(self, name: str, size: int) -> str:
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
        except ours(Exception) as error:  # zlib raises its own class, zipfile half a dozen
            raise self.refusal(f"{name} cannot be read ({error})") from error

    def _sized(self, name: str, actual: int, size: int | None, limit: int) -> int:
        if size is not None and actual != size:
            raise self.refusal(f"{name} has {actual} bytes, the manifest says {size}")
        if actual > limit:
            raise self.refusal(f"{name} has {actual} bytes, at most {limit} are allowed")
        return actual


class FolderStore(_Checked):
    def names(self) -> list[str]:
        found: list[str] = []
        seen = 0
        for folder, folders, files in os.walk(self.path, onerror=self._unlisted):
            inside = Path(folder)
            for name in [*folders, *files]:
                self._require_plain(inside / name)
            found += [(inside / name).relative_to(self.path).as_posix() for name in files]
            seen += len(files) + len(folders)
            if seen > _MOST_FILES:
                raise self.refusal(f"it holds more than {_MOST_FILES} files")
        return found

    @contextmanager
    def _opened(self, name: str, size: int | None, limit: int) -> Iterator[tuple[BinaryIO, int]]:
        self.check_name(name)
        path = self.path / name
        try:
            for step in (path, *path.parents[: len(PurePosixPath(name).parts) - 1]):
                self._require_plain(step)
            stream = opened(path, follow=False)
        except FileNotFoundError as error:
            raise self.refusal(f"{name} is missing") from error
        except ours(OSError) as error:
            raise self.refusal(f"{name} cannot be read ({error.strerror})") from error
        with stream:
            yield stream, self._sized(name, os.fstat(stream.fileno()).st_size, size, limit)

    def _unlisted(self, error: OSError) -> None:
        raise self.refusal(f"{error.filename} cannot be listed ({error.strerror})") from error

    def _require_plain(self, path: Path) -> None:
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            name = path.relative_to(self.path)
            raise self.refusal(f"{name} is a link or a device, not a file")

    def close(self) -> None:
        """A folder holds nothing open."""


class ZipStore(_Checked):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            require_small_directory(path)
            self._zip = zipfile.ZipFile(path)
        # the last: what zipfile says of a newer format than it knows
        except ours((zipfile.BadZipFile, OSError, ValueError, RuntimeError)) as error:
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
        if name not in self._entries:
            raise self.refusal(f"{name} is missing")
        info = self._entries[name]
        most = self._sized(name, info.file_size, size, limit)
        try:
            stream = self._zip.open(info)
        except ours(Exception) as error:  # zipfile raises half a dozen unrelated classes
            raise self.refusal(f"{name} cannot be unpacked ({error})") from error
        with stream:
            yield cast(BinaryIO, stream), most

    def close(self) -> None:
        self._zip.close()
