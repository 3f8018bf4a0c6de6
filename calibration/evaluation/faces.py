"""Faces to evaluate on: encoded pictures with names, read one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import Picture, RgbImage, rgb_from_picture

__all__ = ["FaceBytes", "FaceFiles", "Faces"]


class Faces(Protocol):
    """Numbered faces. `crop` decodes and aligns; `stamp` changes whenever those faces change.

    `digest` is of all that the crop is made from, wherever it lies.
    """

    @property
    def names(self) -> Sequence[str]: ...
    def crop(self, number: int, contract: EmbeddingContract) -> RgbImage: ...
    def stamp(self, first: int, last: int) -> str: ...
    def digest(self, number: int) -> str: ...


@dataclass(frozen=True, slots=True, eq=False)
class FaceFiles:
    """Files under `root`; aligned crops already, unless their landmarks (N, 5, 2) are given."""

    root: Path
    names: Sequence[str]
    landmarks: NDArray[np.float32] | None = None

    def crop(self, number: int, contract: EmbeddingContract) -> RgbImage:
        image = rgb_from_picture(self.root / self.names[number])
        if self.landmarks is not None:
            return aligned_crop(image, self.landmarks[number], contract.template, contract.size)
        return _aligned_already(image, contract, str(self.root / self.names[number]))

    def stamp(self, first: int, last: int) -> str:
        """Names, sizes and times of change: reading every byte would cost as much as embedding."""
        facts = [self._facts(name) for name in self.names[first:last]]
        points = [] if self.landmarks is None else self.landmarks[first:last].tolist()
        return sha256_json([str(self.root.resolve()), facts, points])

    def digest(self, number: int) -> str:
        """A picture that cannot be read is like no other."""
        path = self.root / self.names[number]
        try:
            content = sha256(path.read_bytes())
        except OSError:
            return f"unreadable {self.names[number]}"
        if self.landmarks is not None:
            content.update(self.landmarks[number].tobytes())
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
    names: Sequence[str] = field(default=())

    def crop(self, number: int, contract: EmbeddingContract) -> RgbImage:
        picture: Picture = self.pictures[number]
        return _aligned_already(rgb_from_picture(picture), contract, self.names[number])

    def stamp(self, first: int, last: int) -> str:
        return sha256_json(list(self.digests[first:last]))

    def digest(self, number: int) -> str:
        return self.digests[number]


def _aligned_already(image: RgbImage, contract: EmbeddingContract, where: str) -> RgbImage:
    if image.shape == (contract.size, contract.size, 3):
        return image
    height, width = image.shape[:2]
    raise EmbedgeError(
        "E-NOT-ALIGNED",
        f"the picture is {width}x{height}, not an aligned {contract.size}x{contract.size} crop",
        where=where,
        remedy="Align the faces first with the five-point template",
    )
