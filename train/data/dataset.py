"""What every source of faces answers to, and the plainest of them: pixels in an array."""

import json
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import CorruptRecord, Faces
from embedge.errors import EmbedgeError
from embedge.files import whole_file, write_json

__all__ = [
    "SIDE",
    "CorruptRecord",
    "FaceDataset",
    "FaceSet",
    "Labels",
    "Pictures",
    "UnalignedRecord",
    "renumbered",
]

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

SIDE = 112  # pixels of an aligned face
_FACTS = "faces.json"


class UnalignedRecord(CorruptRecord):
    """A whole picture, but no aligned face: a data set of photos has nothing else."""


@contextmanager
def renumbered(index: int) -> Iterator[None]:
    """A record that cannot be read has this number among those that were asked for it."""
    try:
        yield
    except CorruptRecord as error:
        raise type(error)(index, error.name, error.reason) from error


class FaceDataset(Faces, ABC):
    """Faces of 112 pixels a side with labels 0 … classes−1.

    `identities` names what each label stands for; `fingerprint` identifies the pictures.
    Sources can be handed to other processes: they open their files again there.
    """

    kind: ClassVar[str]
    name: str
    labels: Labels
    identities: tuple[str, ...]
    fingerprint: str

    def encoded(self, _index: int) -> bytes | None:
        """The record's picture as it is stored, or None if it is stored as plain pixels."""
        return None

    def sizes(self) -> Labels:
        """Bytes of every picture as it is stored; 0 where that tells nothing."""
        return np.zeros(len(self), np.int64)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Every index once, shuffled in the way that suits the storage."""
        return rng.permutation(len(self))

    if TYPE_CHECKING:  # a field of some sources, a property of others: see pictures.py

        @property
        def images(self) -> Any:
            """All pictures, indexed like an array (n, 112, 112, 3)."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return len(self.identities)


@dataclass(frozen=True)
class FaceSet(FaceDataset):
    """In memory, or mapped from a folder of two arrays."""

    kind: ClassVar[str] = "pixels"

    name: str
    images: Pictures
    labels: Labels
    identities: tuple[str, ...]
    fingerprint: str

    def read(self, index: int) -> Pictures:
        return np.asarray(self.images[index])

    def record_name(self, index: int) -> str:
        return f"picture {index} of {self.name}"

    def save(self, folder: Path) -> None:
        with whole_file(folder / "labels.npy") as part, part.open("wb") as stream:
            np.save(stream, self.labels)
        write_json(
            folder / _FACTS,
            {"name": self.name, "fingerprint": self.fingerprint, "identities": self.identities},
        )
        if not isinstance(self.images, np.memmap):
            with whole_file(folder / "images.npy") as part, part.open("wb") as stream:
                np.save(stream, self.images)

    @classmethod
    def load(cls, folder: Path) -> "FaceSet":
        """Pictures stay on disk and are mapped, so that a large set costs no memory."""
        try:
            facts = json.loads((folder / _FACTS).read_text())
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            labels = np.load(folder / "labels.npy", allow_pickle=False)
            faces = cls(
                facts["name"], images, labels, tuple(facts["identities"]), facts["fingerprint"]
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise _broken(folder, str(error)) from error
        if images.dtype != np.uint8 or images.shape != (len(labels), SIDE, SIDE, 3):
            raise _broken(folder, f"{len(labels)} labels, but pictures of shape {images.shape}")
        return faces

    def __getstate__(self) -> dict[str, Any]:
        """A mapped array would be pickled as all its bytes: its file and place go instead."""
        state = dict(self.__dict__)
        if isinstance(self.images, np.memmap):
            state["images"] = _Mapped.of(self.images)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        images = state["images"]
        opened = images.open() if isinstance(images, _Mapped) else images
        self.__dict__.update({**state, "images": opened})


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Enough to map an array again."""

    path: Path
    offset: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, images: "np.memmap[Any, Any]") -> "_Mapped":
        return cls(Path(str(images.filename)), int(images.offset), images.shape)

    def open(self) -> Pictures:
        return np.memmap(self.path, np.uint8, "r", self.offset, self.shape)


def _broken(folder: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DATA-FORMAT",
        f"not a readable face set: {what}",
        where=folder,
        remedy="Write it again with `embedge data convert`",
    )
