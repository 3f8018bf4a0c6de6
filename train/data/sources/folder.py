"""Folders of pictures: one folder per person, or pictures that nobody named."""

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import CorruptRecord, Labels, Pictures
from embedge.train.data.feeding.jpeg import face_from_bytes
from embedge.train.data.feeding.pictures import StoredFaces
from embedge.train.data.fingerprint import fingerprint_of, sampled

__all__ = ["PICTURE_SUFFIXES", "ImageFolder", "PictureFolder", "require_utf8"]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class ImageFolder(StoredFaces):
    """`ROOT/PERSON/picture.jpg`, people and pictures in alphabetical order."""

    kind: ClassVar[str] = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root
        found = _people(root)
        self.name = root.resolve().name
        self.identities = tuple(found)
        self._files = [f"{person}/{file}" for person, files in found.items() for file in files]
        self.labels = np.repeat(np.arange(len(found)), [len(files) for files in found.values()])
        self.fingerprint = fingerprint_of("folder", self.labels, self.identities, self._facts())

    def read(self, index: int) -> Pictures:
        return face_from_bytes(self.encoded(index), index, self.record_name(index))

    def encoded(self, index: int) -> bytes:
        try:
            return (self.root / self._files[index]).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CorruptRecord(index, self.record_name(index), reason) from error

    def sizes(self) -> Labels:
        sizes = (_size(self.root / file) for file in self._files)
        return np.fromiter(sizes, np.int64, len(self._files))

    def record_name(self, index: int) -> str:
        return self._files[index]

    def _facts(self) -> list[bytes]:
        """Every name; size and bytes of a few."""
        require_utf8(self.root, self._files)
        names = "\n".join(self._files).encode()
        return [names, *(_bytes_or_nothing(self.root / self._files[i]) for i in self._sample())]

    def _sample(self) -> list[int]:
        return sampled(len(self._files))


class PictureFolder(ImageFolder):
    """Pictures at any depth, in alphabetical order; nobody says who is on them."""

    kind: ClassVar[str] = "pictures"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
        )
        if not self._files:
            raise EmbedgeError(
                "E-DATA-EMPTY",
                "it holds no pictures",
                where=root,
                remedy="Give a folder of aligned 112×112 pictures",
            )
        self.name = root.resolve().name
        self.identities = tuple(self._files)
        self.labels = np.arange(len(self._files))
        self.fingerprint = fingerprint_of("pictures", self.labels, (), self._facts())


def _bytes_or_nothing(path: Path) -> bytes:
    """Unreadable files are found and named when they are read as records."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def require_utf8(root: Path, names: list[str]) -> None:
    """Names go into notes, reports and terminals, all of them UTF-8."""
    odd = [name for name in names if not _writable(name)]
    if odd:
        shown = os.fsencode(odd[0]).decode(errors="backslashreplace")
        raise EmbedgeError(
            "E-DATA-FORMAT",
            f"{len(odd)} of its pictures have a name that is not UTF-8: {shown}",
            where=root,
            remedy="Rename them, as `convmv -f latin1 -t utf8 -r --notest FOLDER` does",
        )


def _writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _people(root: Path) -> dict[str, list[str]]:
    """Pictures by person; people without pictures are left out."""
    if not root.is_dir():
        raise EmbedgeError(
            "E-DATA-MISSING",
            "there is no such folder of faces",
            where=root,
            remedy="Give a folder that holds one folder per person",
        )
    people = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    found = {person: _pictures(root / person) for person in people}
    found = {person: files for person, files in found.items() if files}
    if not found:
        raise EmbedgeError(
            "E-DATA-EMPTY",
            "no folder in it holds pictures",
            where=root,
            remedy="Put each person's aligned 112×112 pictures into a folder of their own",
        )
    return found


def _pictures(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if Path(entry.name).suffix.lower() in PICTURE_SUFFIXES and entry.is_file()
    )
