"""Faces, whoever reads them: a training, a test, or the checks of either."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.runtime.contract import ARCFACE_112, EmbeddingContract
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import Picture, RgbImage, rgb_from_picture

__all__ = ["CorruptRecord", "FaceBytes", "FaceFiles", "Faces", "StampedFaces", "some_of"]

# A picture that cannot be decoded is one record less; anything else is the user's mistake
_UNREADABLE = {"E-IMAGE", "E-IMAGE-MISSING", "E-IMAGE-SIZE", "E-LANDMARKS"}


_SOME = 64  # pictures


class CorruptRecord(Exception):
    """One record that cannot be read: which, and why. Reading others may well go on."""

    def __init__(self, index: int, name: str, reason: str) -> None:
        self.index, self.name, self.reason = index, name, reason
        super().__init__(index, name, reason)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class Faces(Protocol):
    """Numbered faces, aligned, read one at a time and in any order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, index: int) -> RgbImage:
        """Picture (size, size, 3) uint8 RGB. Raises CorruptRecord."""

    @abstractmethod
    def record_name(self, index: int) -> str:
        """What a person would look for: a path, a key, an offset."""


def some_of(faces: Faces) -> Iterator[RgbImage]:
    """Pictures spread evenly over the set; those that cannot be read are told elsewhere."""
    spread = np.linspace(0, len(faces) - 1, min(_SOME, len(faces))).astype(int)
    for index in spread:
        try:
            yield faces.read(int(index))
        except CorruptRecord:
            continue


class StampedFaces(Faces, Protocol):
    """Faces that tell when they change: `stamp` at a glance, `digest` by every byte of one."""

    def stamp(self, first: int, last: int) -> str: ...
    def digest(self, index: int) -> str: ...
    def aligned_for(self, contract: EmbeddingContract) -> Self:
        """The same faces as a network wants them cut."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FaceFiles:
    """Files under `root`; aligned crops already, unless their landmarks (N, 5, 2) are given."""

    root: Path
    names: Sequence[str]
    landmarks: NDArray[np.float32] | None = None
    size: int = 0  # as they are, until a network says how it wants them
    template: tuple[tuple[float, float], ...] = ARCFACE_112

    def __len__(self) -> int:
        return len(self.names)

    def record_name(self, index: int) -> str:
        return self.names[index]

    def aligned_for(self, contract: EmbeddingContract) -> Self:
        return replace(self, size=contract.size, template=contract.template)

    def read(self, index: int) -> RgbImage:
        path = self.root / self.names[index]
        points = None if self.landmarks is None else self.landmarks[index]
        try:
            image = rgb_from_picture(path)
            if points is not None:
                return aligned_crop(image, points, self.template, self.size or 112)
        except EmbedgeError as error:
            raise _corrupt(error, index, self.names[index]) from error
        return _aligned_already(image, self.size, str(path))

    def stamp(self, first: int, last: int) -> str:
        """Names, sizes and times of change: reading every byte would cost as much as embedding."""
        facts = [self._facts(name) for name in self.names[first:last]]
        points = [] if self.landmarks is None else self.landmarks[first:last].tolist()
        return sha256_json([str(self.root.resolve()), facts, points])

    def digest(self, index: int) -> str:
        """A picture that cannot be read is like no other."""
        path = self.root / self.names[index]
        try:
            content = sha256(path.read_bytes())
        except OSError:
            return f"unreadable {self.names[index]}"
        if self.landmarks is not None:
            content.update(self.landmarks[index].tobytes())
        return content.hexdigest()

    def _facts(self, name: str) -> list[object]:
        try:
            state = (self.root / name).stat()
        except OSError:
            return [name, None]
        return [name, state.st_size, state.st_mtime_ns]


@dataclass(frozen=True, slots=True, eq=False)
class FaceBytes:
    """Encoded pictures held in memory; `digests` are their sha256."""

    pictures: Sequence[bytes]
    digests: Sequence[str]
    names: Sequence[str]
    size: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def record_name(self, index: int) -> str:
        return self.names[index]

    def aligned_for(self, contract: EmbeddingContract) -> Self:
        return replace(self, size=contract.size)

    def read(self, index: int) -> RgbImage:
        picture: Picture = self.pictures[index]
        try:
            image = rgb_from_picture(picture)
        except EmbedgeError as error:
            raise _corrupt(error, index, self.names[index]) from error
        return _aligned_already(image, self.size, self.names[index])

    def stamp(self, first: int, last: int) -> str:
        return sha256_json(list(self.digests[first:last]))

    def digest(self, index: int) -> str:
        return self.digests[index]


def _corrupt(error: EmbedgeError, index: int, name: str) -> Exception:
    if error.code not in _UNREADABLE:
        return error
    return CorruptRecord(index, name, f"{error.code}: {error.what}")


def _aligned_already(image: RgbImage, size: int, where: str) -> RgbImage:
    if not size or image.shape == (size, size, 3):
        return image
    height, width = image.shape[:2]
    raise EmbedgeError(
        "E-NOT-ALIGNED",
        f"the picture is {width}x{height}, not an aligned {size}x{size} crop",
        where=where,
        remedy="Align the faces first: embedge data align PHOTOS FACES --detector DETECTOR.onnx"
        + (f" --side {size}" if size != 112 else ""),
    )
