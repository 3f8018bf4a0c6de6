"""A set of aligned faces with labels, and its fingerprint."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.files import whole_file, write_json

__all__ = ["FaceSet"]

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Aligned pictures (N, 112, 112, 3) uint8 RGB with labels 0 … classes−1.

    `fingerprint` identifies the pictures; `identities` names what each label stands for.
    """

    name: str
    images: Pictures
    labels: Labels
    identities: tuple[str, ...]
    fingerprint: str

    @property
    def classes(self) -> int:
        return len(self.identities)

    def __len__(self) -> int:
        return len(self.labels)

    def save(self, folder: Path) -> None:
        with whole_file(folder / "labels.npy") as part, part.open("wb") as stream:
            np.save(stream, self.labels)
        write_json(
            folder / "faces.json",
            {"name": self.name, "fingerprint": self.fingerprint, "identities": self.identities},
        )
        if not isinstance(self.images, np.memmap):
            with whole_file(folder / "images.npy") as part, part.open("wb") as stream:
                np.save(stream, self.images)

    @classmethod
    def load(cls, folder: Path) -> "FaceSet":
        """Pictures stay on disk and are mapped, so that a large set costs no memory."""
        import json

        facts = json.loads((folder / "faces.json").read_text())
        return cls(
            facts["name"],
            np.load(folder / "images.npy", mmap_mode="r"),
            np.load(folder / "labels.npy"),
            tuple(facts["identities"]),
            facts["fingerprint"],
        )
