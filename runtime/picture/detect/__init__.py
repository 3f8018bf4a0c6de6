"""Face detection: what a detector gives, and which face is taken."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import RgbImage

__all__ = ["Choice", "Detector", "Face", "chosen_face"]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face, in pixels of the picture.

    `box` is (left, top, right, bottom). `landmarks` are left eye, right eye, nose, left and right
    mouth corner as seen in the picture, or None where the detector has none.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32] | None

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)

    def distance(self, point: tuple[float, float]) -> float:
        """Pixels from the middle of the box to a point."""
        left, top, right, bottom = self.box
        return math.hypot((left + right) / 2 - point[0], (top + bottom) / 2 - point[1])


class Detector(Protocol):
    """Anything that finds faces in a uint8 RGB picture, best first."""

    def detect(self, image: RgbImage) -> list[Face]: ...
    def close(self) -> None: ...


class Choice(StrEnum):
    """What to do with several faces in a picture."""

    ONE = "one"  # exactly one, or an error: nobody is matched by accident
    LARGEST = "largest"
    CENTRAL = "central"  # nearest to the middle of the picture


def chosen_face(faces: list[Face], choice: Choice, middle: tuple[float, float]) -> Face:
    """The face the policy picks; none, or several under ONE, is an error."""
    if not faces:
        raise EmbedgeError(
            "E-NO-FACE",
            "no face was found in the picture",
            remedy="Use a sharper, larger or more frontal picture",
        )
    if choice is Choice.ONE and len(faces) > 1:
        raise EmbedgeError(
            "E-FACES",
            f"the picture shows {len(faces)} faces, and exactly one is allowed",
            remedy="Crop it to one person, or say which face to take: --face largest or central"
            ' (choice="largest" in Python)',
        )
    if choice is Choice.CENTRAL:
        return min(faces, key=lambda face: face.distance(middle))
    return max(faces, key=lambda face: face.area)
