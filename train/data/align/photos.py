"""Which photos there are, and which person's folder each belongs to."""

import os
from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.train.data.sources.folder import PICTURE_SUFFIXES, require_utf8

__all__ = ["FLAT", "Photo", "Photos", "found_photos"]

FLAT = "faces"
"""the one folder that pictures without a person come into"""

_SUFFIXES = PICTURE_SUFFIXES | {".tif", ".tiff", ".gif", ".ppm"}


@dataclass(frozen=True, slots=True)
class Photo:
    """`name` is its path under the root; `crop` is where its face goes, always a JPEG."""

    name: str
    crop: str


@dataclass(frozen=True, slots=True)
class Photos:
    """`passed_over` are files that are no pictures, or lie where no person's folder is."""

    root: Path
    photos: tuple[Photo, ...]
    people: int
    passed_over: tuple[str, ...]

    @property
    def flat(self) -> bool:
        return self.people == 0


def found_photos(root: Path) -> Photos:
    """`ROOT/PERSON/**/photo`, or photos without people right in the folder."""
    if not root.is_dir():
        raise EmbedgeError(
            "E-DATA-MISSING",
            "there is no such folder of photos",
            where=root,
            remedy="Check the path; it holds one folder per person, or photos",
        )
    pictures, others = _files(root)
    require_utf8(root, pictures)
    within = [name for name in pictures if "/" in name]
    loose = [name for name in pictures if "/" not in name]
    if not pictures:
        raise EmbedgeError(
            "E-DATA-EMPTY",
            "there are no photos in it",
            where=root,
            remedy=f"Give a folder with {', '.join(sorted(_SUFFIXES))} files, best one folder per"
            " person",
        )
    if within:
        people = len({name.partition("/")[0] for name in within})
        return Photos(root, _with_crops(within, ""), people, tuple(others + loose))
    return Photos(root, _with_crops(loose, f"{FLAT}/"), 0, tuple(others))


def _files(root: Path) -> tuple[list[str], list[str]]:
    """(pictures, the rest) by path under the root, in order; hidden ones are nobody's."""
    pictures: list[str] = []
    others: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(name for name in files if not name.startswith(".")):
            name = (Path(folder) / file).relative_to(root).as_posix()
            (pictures if Path(file).suffix.lower() in _SUFFIXES else others).append(name)
    return pictures, others


def _with_crops(names: list[str], prefix: str) -> tuple[Photo, ...]:
    """A person's folder is flat; what would have one name gets a number."""
    taken = set[str]()
    photos = []
    for name in names:
        person, slash, rest = name.rpartition("/") if prefix else name.partition("/")
        stem = (Path(rest).with_suffix("").as_posix() if slash else Path(name).stem).replace(
            "/", "_"
        )
        crop = _free(f"{prefix}{person}{slash}{stem}", taken)
        photos.append(Photo(name, crop))
    return tuple(photos)


def _free(stem: str, taken: set[str]) -> str:
    name, number = f"{stem}.jpg", 2
    while name.lower() in taken:  # some file systems know no difference of case
        name, number = f"{stem}-{number}.jpg", number + 1
    taken.add(name.lower())
    return name
