"""Pictures of any source, decoded when asked for: corrupt ones are passed over up to a bound."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import (
    SIDE,
    CorruptRecord,
    FaceDataset,
    Pictures,
    UnalignedRecord,
)
from embedge.train.data.fingerprint import sampled

__all__ = ["CorruptLog", "FacesRead", "LazyPictures", "StoredFaces", "read_faces", "unaligned"]

_NAMED = 5  # records that an error message lists
_TRIES = 64  # neighbours tried in place of one record


@dataclass(frozen=True, slots=True)
class FacesRead:
    """Pictures, the records they really came from, and those that could not be read."""

    images: Pictures
    index: NDArray[np.int64]
    corrupt: tuple[CorruptRecord, ...]


def read_faces(faces: FaceDataset, index: NDArray[np.int64]) -> FacesRead:
    """Read records; for a corrupt one a neighbour stands in, always the same."""
    images = np.empty((len(index), SIDE, SIDE, 3), np.uint8)
    used = np.array(index, np.int64)
    corrupt: list[CorruptRecord] = []
    for row, wanted in enumerate(used.tolist()):
        used[row], images[row] = _read_near(faces, wanted, corrupt)
    return FacesRead(images, used, tuple(corrupt))


def _read_near(
    faces: FaceDataset, wanted: int, corrupt: list[CorruptRecord]
) -> tuple[int, Pictures]:
    for index in _wanted_or_near(faces, wanted):
        try:
            return index, faces.read(index)
        except CorruptRecord as error:
            corrupt.append(error)
    raise _too_many(faces, corrupt, "no record near it can be read")


def _wanted_or_near(faces: FaceDataset, wanted: int) -> Iterator[int]:
    """The record itself, others of the same person, then whoever comes next."""
    yield wanted
    same = np.flatnonzero(faces.labels == faces.labels[wanted])
    yield from np.roll(same, -int(np.searchsorted(same, wanted)))[1:_TRIES].tolist()
    yield from ((wanted + step) % len(faces) for step in range(1, _TRIES))


@dataclass(slots=True)
class CorruptLog:
    """Which records of a data set failed so far, and how many may."""

    faces: FaceDataset
    share: float = 0.001
    records: dict[tuple[int, str], CorruptRecord] = field(default_factory=dict)

    @property
    def bound(self) -> int:
        """At least a handful, so that one bad file does not stop a small set."""
        return max(_NAMED, int(self.share * len(self.faces)))

    def add(self, corrupt: tuple[CorruptRecord, ...]) -> list[CorruptRecord]:
        """Those seen for the first time. Raises once there are more than the bound."""
        named = {(e.index, e.name): e for e in corrupt}  # several sources count from 0
        fresh = {key: e for key, e in named.items() if key not in self.records}
        self.records.update(fresh)
        if len(self.records) > self.bound:
            what = f"{len(self.records)} of {len(self.faces)} records are corrupt, more than the"
            raise _too_many(self.faces, list(self.records.values()), f"{what} {self.bound} allowed")
        return list(fresh.values())


def _too_many(faces: FaceDataset, corrupt: list[CorruptRecord], what: str) -> EmbedgeError:
    photos = [record for record in corrupt if isinstance(record, UnalignedRecord)]
    if 2 * len(photos) > len(corrupt):
        return unaligned(faces, photos[0])
    names = "; ".join(map(str, corrupt[:_NAMED]))
    return EmbedgeError(
        "E-DATA-CORRUPT",
        f"{what}: {names}",
        where=faces.name,
        remedy="Replace them (`embedge data verify` lists them all), or leave them out with"
        " `embedge data convert --skip-corrupt`",
    )


def require_aligned(faces: FaceDataset) -> None:
    """By a few records, spread over the set: where most are photos, it is one of photos."""
    seen = [_fault(faces, index) for index in sampled(len(faces))]
    photos = [fault for fault in seen if isinstance(fault, UnalignedRecord)]
    if 2 * len(photos) > len(seen):
        raise unaligned(faces, photos[0])


def _fault(faces: FaceDataset, index: int) -> CorruptRecord | None:
    try:
        faces.read(index)
    except CorruptRecord as error:
        return error
    return None


def unaligned(faces: FaceDataset, record: CorruptRecord) -> EmbedgeError:
    """Photos were given where aligned faces are wanted: not one record's fault."""
    return EmbedgeError(
        "E-NOT-ALIGNED",
        f"these are photos, not aligned faces of {SIDE}×{SIDE} pixels: {record}",
        where=faces.name,
        remedy="Align them first: embedge data align PHOTOS FACES --detector DETECTOR.onnx",
    )


class StoredFaces(FaceDataset):
    """A source whose pictures are encoded files."""

    @property
    def images(self) -> "LazyPictures":
        return LazyPictures(self)


class LazyPictures:
    """`pictures[rows]` for a number, a slice, or an array of numbers or of booleans."""

    def __init__(self, faces: FaceDataset) -> None:
        self._faces = faces
        self._corrupt = CorruptLog(faces)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), SIDE, SIDE, 3

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, rows: Any) -> Pictures:
        index = np.arange(len(self))[rows]
        read = read_faces(self._faces, np.atleast_1d(index))
        self._corrupt.add(read.corrupt)
        return read.images if np.ndim(index) else read.images[0]
