"""insightface's training sets: `train.rec`, `train.idx` and `property`, memory-mapped."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import let_go
from embedge.train.data.dataset import CorruptRecord, Labels, Pictures
from embedge.train.data.feeding.jpeg import face_from_bytes
from embedge.train.data.feeding.pictures import StoredFaces
from embedge.train.data.fingerprint import fingerprint_of, sampled
from embedge.train.data.sources.recordio import (
    MAGIC,
    BrokenRecord,
    record_at,
    record_offsets,
    unpacked,
)

__all__ = ["MxnetFaces"]

# words of four bytes: frame of two, then flag, label, two numbers of two; then array labels
_FLAG, _LABEL, _ARRAY = 2, 3, 8
_MOST_PEOPLE = 10**7  # the largest set that was published has four million
_LOOKED_AT = 1 << 16  # records whose labels are read before their pages are given back

Offsets = NDArray[np.int64]


class MxnetFaces(StoredFaces):
    """Pictures by position; the file is mapped, so any number of workers read it at random."""

    kind: ClassVar[str] = "recordio"

    def __init__(self, record_file: Path) -> None:
        self.path = record_file
        self.name = record_file.resolve().parent.name
        self._map = _mapped(record_file)
        keys, offsets = _index(record_file, self._map)
        self._keys, self._offsets = _pictures_of(keys, offsets, self._map, record_file)
        raw = _labels_at(self._map, self._offsets)
        self._unlabelled = frozenset(np.flatnonzero(raw < 0).tolist())
        self.labels, self.identities = _dense(raw, _stated_classes(record_file), record_file)
        self.fingerprint = fingerprint_of("recordio", self.labels, self.identities, self._facts())

    def read(self, index: int) -> Pictures:
        return face_from_bytes(self.encoded(index), index, self.record_name(index))

    def encoded(self, index: int) -> bytes:
        try:
            _, picture = unpacked(record_at(self._map, int(self._offsets[index])))
        except BrokenRecord as error:
            raise CorruptRecord(index, self.record_name(index), str(error)) from error
        if index in self._unlabelled:
            raise CorruptRecord(index, self.record_name(index), "it carries no valid label")
        return picture

    def record_name(self, index: int) -> str:
        return f"record {self._keys[index]} at byte {self._offsets[index]}"

    def __getstate__(self) -> dict[str, Any]:
        """A map would be pickled as all its bytes."""
        return {**self.__dict__, "_map": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map = _mapped(self.path)

    def _facts(self) -> list[bytes]:
        facts = [np.int64(len(self._map)).tobytes(), self._offsets.astype("<i8").tobytes()]
        for index in sampled(len(self)):
            start = int(self._offsets[index])
            facts.append(self._map[start : start + 4096].tobytes())
        return facts


def _mapped(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise EmbedgeError(
            "E-DATA-MISSING",
            f"cannot read the record file: {getattr(error, 'strerror', None) or error}",
            where=path,
            remedy="Give the folder that holds train.rec and train.idx",
        ) from error


def _index(record_file: Path, data: NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Keys and offsets, from the .idx file or, without one, by walking through the records."""
    path = record_file.with_suffix(".idx")
    if not path.is_file():
        try:
            offsets = np.array(record_offsets(data), np.int64)
        except BrokenRecord as error:
            raise _broken(record_file, f"it has no .idx file, and {error}") from error
        return np.arange(len(offsets)), offsets
    try:
        if not path.stat().st_size:
            raise ValueError
        table = np.loadtxt(path, np.int64, ndmin=2)
        if table.shape[1] != 2:
            raise ValueError
    except ValueError as error:
        raise _broken(path, "it is not a table of keys and offsets") from error
    return table[:, 0], table[:, 1]


def _pictures_of(
    keys: Offsets, offsets: Offsets, data: NDArray[np.uint8], path: Path
) -> tuple[Offsets, Offsets]:
    """Without the head record and the records of identities that it announces."""
    head = offsets[keys == 0]
    if len(head):
        end = _first_identity(data, int(head[0]), path)
        pictures = (keys >= 1) & (keys < end) if end else np.full(len(keys), True)
        keys, offsets = keys[pictures], offsets[pictures]
    if not len(keys):
        raise EmbedgeError(
            "E-DATA-EMPTY",
            "the record file holds no pictures",
            where=path,
            remedy="Check that train.rec and train.idx belong together",
        )
    return keys, offsets


def _first_identity(data: NDArray[np.uint8], head: int, path: Path) -> int | None:
    """Key of the first record of an identity, if record 0 is a head that announces it."""
    try:
        header, _ = unpacked(record_at(data, head))
    except BrokenRecord as error:
        raise _broken(path, str(error)) from error
    if header.flag == 0 or len(header.labels) != 2:
        return None
    if not np.isfinite(header.labels[0]):
        raise _broken(path, f"its head record says that people begin at {header.labels[0]}")
    return int(header.labels[0])


def _labels_at(data: NDArray[np.uint8], offsets: Offsets) -> Labels:
    """The first label of every record; −1 where no label can be read.

    Each of them brings a page of the file along: these are given back from time to time.
    """
    labels = np.empty(len(offsets), np.int64)
    for first in range(0, len(offsets), _LOOKED_AT):
        part = slice(first, first + _LOOKED_AT)
        labels[part] = _labels_of(data, offsets[part])
        let_go(data)
    return labels


def _labels_of(data: NDArray[np.uint8], offsets: Offsets) -> Labels:
    """Of some records, all at once."""
    words = data[: len(data) // 4 * 4].view("<u4")
    if len(words) <= _ARRAY:
        return np.full(len(offsets), -1)
    first = offsets // 4
    whole = (offsets >= 0) & (offsets % 4 == 0) & (first + _ARRAY < len(words))
    first = np.where(whole, first, 0)
    whole &= words[first] == MAGIC
    bits = np.where(words[first + _FLAG] > 0, words[first + _ARRAY], words[first + _LABEL])
    values = bits.astype("<u4").view("<f4")
    sound = whole & np.isfinite(values) & (values >= 0) & (values < 2**31)
    return np.where(sound, values, -1).astype(np.int64)


def _dense(raw: Labels, stated: int | None, path: Path) -> tuple[Labels, tuple[str, ...]]:
    """Labels 0 … classes−1. As they are when they fit the stated count, else renumbered."""
    present = np.unique(raw[raw >= 0])
    if not len(present):
        raise _broken(path, "none of its records carries a label")
    labels = np.where(raw < 0, present[0], raw)  # such a record is refused when it is read
    if stated is not None and present[-1] < stated:
        return labels, tuple(map(str, range(stated)))
    return np.searchsorted(present, labels), tuple(map(str, present.tolist()))


def _stated_classes(record_file: Path) -> int | None:
    """The class count in `property` ("classes,height,width"), if that file is there."""
    path = record_file.with_name("property")
    if not path.is_file():
        return None
    try:
        if (classes := int(path.read_text().split(",")[0])) <= _MOST_PEOPLE:
            return classes
        raise ValueError
    except ValueError as error:
        what = f"its first value is not the number of classes, of {_MOST_PEOPLE:,} at most"
        raise _broken(path, what) from error


def _broken(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DATA-FORMAT",
        f"not a readable RecordIO data set: {what}",
        where=path,
        remedy="Copy it again, or convert it from its source with `embedge data convert`",
    )
