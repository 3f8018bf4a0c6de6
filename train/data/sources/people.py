"""Rendered people as a source: drawn when they are read, stored nowhere."""

import re
from typing import ClassVar

import numpy as np

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.train.data.dataset import Pictures
from embedge.train.data.feeding.pictures import StoredFaces
from embedge.train.render import FaceRenderer

__all__ = ["RenderedPeople"]

_SPEC = re.compile(r"rendered:(?P<people>\d+)x(?P<each>\d+)(?:@(?P<seed>\d+))?")


class RenderedPeople(StoredFaces):
    """`rendered:PEOPLExEACH` or `rendered:PEOPLExEACH@SEED`."""

    kind: ClassVar[str] = "rendered"

    def __init__(self, people: int, each: int, seed: int = 0) -> None:
        self.name = f"rendered {people}x{each}@{seed}"
        self._renderer, self._each = FaceRenderer(seed), each
        self.labels = np.repeat(np.arange(people), each)
        self.identities = tuple(f"rendered-{seed}-{number}" for number in range(people))
        numbers = {"people": people, "each": each}
        self.fingerprint = sha256_json({**self._renderer.fingerprint, **numbers})

    @classmethod
    def named(cls, text: str) -> "RenderedPeople":
        found = _SPEC.fullmatch(text)
        if found is None or not int(found["people"]) or not int(found["each"]):
            raise EmbedgeError(
                "E-DATA-FORMAT",
                f"'{text}' does not say how many people are to be rendered",
                remedy="Write for example rendered:500x40, or rendered:500x40@7 for another world",
            )
        return cls(int(found["people"]), int(found["each"]), int(found["seed"] or 0))

    def read(self, index: int) -> Pictures:
        person, sample = divmod(index, self._each)
        shown = self._renderer.render(np.array([person]), np.array([sample]))
        return np.asarray(shown.images[0])

    def record_name(self, index: int) -> str:
        person, sample = divmod(index, self._each)
        return f"person {person}, picture {sample}"
