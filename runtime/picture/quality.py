"""What a face picture is like, and whether it is good enough to be compared.

Quality says nothing about liveness: a good photograph of a photograph passes.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError, ours
from embedge.runtime.picture.images import RgbImage
from embedge.typed import Bound, structured

__all__ = ["FaceRefused", "Quality", "QualityLimits", "Reason", "measured_quality"]

_NOSE_DEPTH = 0.6  # how far the nose stands out, in eye distances, on a mean face
_NOSE_HEIGHT = 0.49  # where the nose lies between eyes (0) and mouth (1) on the ArcFace template

Limit = Annotated[float, Bound(0, 1000)]


class Reason(StrEnum):
    """Why a face is refused."""

    SMALL = "face-too-small"
    BLURRED = "blurred"
    DARK = "dark"
    BRIGHT = "overexposed"
    FLAT = "low-contrast"
    POSE = "extreme-pose"
    UNSURE = "uncertain-detection"


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured on the aligned crop (light, sharpness) and on the landmarks (size, pose).

    `sharpness` is the Laplacian's standard deviation over that of the grey levels;
    `brightness` and `contrast` are mean and standard deviation of the grey levels, 0 to 255;
    `eye_distance` is in pixels of the picture; the angles are rough, in degrees, and absent
    without landmarks.
    """

    sharpness: float
    brightness: float
    contrast: float
    eye_distance: float | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    detection: float | None = None

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """The least and the most a face may have; units as in Quality. They belong to a bundle."""

    complete: ClassVar[bool] = True
    min_eye_distance: Limit = 20.0
    min_sharpness: Limit = 0.08
    min_brightness: Limit = 30.0
    max_brightness: Limit = 225.0
    min_contrast: Limit = 12.0
    max_yaw: Limit = 60.0
    max_pitch: Limit = 50.0
    max_roll: Limit = 60.0
    min_detection: Limit = 0.5

    def reasons(self, quality: Quality) -> tuple[Reason, ...]:
        """Everything that speaks against the face; empty when it may be compared."""
        q = quality
        failed = {
            Reason.SMALL: _below(q.eye_distance, self.min_eye_distance),
            Reason.BLURRED: _below(q.sharpness, self.min_sharpness),
            Reason.DARK: _below(q.brightness, self.min_brightness),
            Reason.BRIGHT: q.brightness > self.max_brightness,
            Reason.FLAT: _below(q.contrast, self.min_contrast),
            Reason.POSE: _beyond(q.yaw, self.max_yaw)
            or _beyond(q.pitch, self.max_pitch)
            or _beyond(q.roll, self.max_roll),
            Reason.UNSURE: _below(q.detection, self.min_detection),
        }
        return tuple(reason for reason, yes in failed.items() if yes)

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        try:
            return structured(cls, value, name="quality")
        except ours(ValueError) as error:
            raise EmbedgeError(
                "E-BUNDLE",
                f"the quality limits are not right: {error}",
                remedy="Rebuild the bundle with this version of embedge",
            ) from error


class FaceRefused(EmbedgeError):
    """The face is not good enough; `reasons` are machine-readable, `quality` is what was seen."""

    def __init__(
        self, reasons: tuple[Reason, ...], quality: Quality, where: str | Path | None = None
    ) -> None:
        super().__init__(
            "E-QUALITY",
            f"the face is not good enough to be compared: {', '.join(reasons)}",
            where=where,
            remedy="Take the picture again: closer, sharper, evenly lit, looking at the camera",
        )
        self.reasons = reasons
        self.quality = quality

    def __reduce__(self) -> tuple[object, ...]:
        return FaceRefused, (self.reasons, self.quality, self.where)


def measured_quality(
    crop: RgbImage, landmarks: NDArray[np.floating] | None = None, detection: float | None = None
) -> Quality:
    """Measure an aligned crop and, where they are known, the landmarks in the picture."""
    grey = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    contrast = float(grey.std())
    angles = {} if landmarks is None else _pose(landmarks.astype(np.float64))
    return Quality(
        sharpness=float(_laplacian(grey).std()) / max(contrast, 1.0),
        brightness=float(grey.mean()),
        contrast=contrast,
        detection=detection,
        **angles,
    )


def _laplacian(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    centre = grey[1:-1, 1:-1]
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return sides - 4 * centre


def _pose(points: NDArray[np.float64]) -> dict[str, float]:
    """Rough angles of a mean face whose five points project to these."""
    left, right, nose, mouth_left, mouth_right = points
    across = right - left
    distance = max(float(np.hypot(*across)), 1e-6)
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) / distance
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    sideways, down = turn @ (nose - eyes)
    face_height = max(float((turn @ (mouth - eyes))[1]), 1e-6)
    height = max(face_height, distance / 2)
    return {
        "eye_distance": distance,
        "yaw": float(np.degrees(np.arctan2(sideways / _NOSE_DEPTH, distance))),
        "pitch": float(np.degrees(np.arctan2(down - _NOSE_HEIGHT * face_height, height / 2))),
        "roll": float(np.degrees(np.arctan2(across[1], across[0]))),
    }


def _below(value: float | None, least: float) -> bool:
    """NaN counts as below: what cannot be measured is not good enough."""
    return value is not None and not value >= least


def _beyond(angle: float | None, most: float) -> bool:
    return angle is not None and not abs(angle) <= most
