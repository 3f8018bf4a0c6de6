"""One photo to one aligned face, or a reason why not; the same in any process."""

import os
from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract, arcface_template
from embedge.runtime.picture.detect import Choice
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector
from embedge.runtime.picture.face_crop import FaceReader, ReadFace
from embedge.runtime.picture.quality import FaceRefused, QualityLimits
from embedge.train.data.align.photos import Photo
from embedge.train.data.feeding.jpeg import jpeg_from_face

__all__ = ["Cut", "Cutter", "Cutting", "cut_here", "ready"]

_NO_LIMIT = 1000.0


@dataclass(frozen=True, slots=True)
class Cutting:
    """How photos are cut: all of it decides what comes out."""

    root: Path
    detector: Path
    choice: str
    size: int
    least_eyes: float
    side: int
    quality: int = 95

    @property
    def limits(self) -> QualityLimits:
        """A training wants hard pictures too; a face of a few pixels is none."""
        return QualityLimits(
            min_eye_distance=self.least_eyes,
            min_sharpness=0.0,
            min_brightness=0.0,
            max_brightness=255.0,
            min_contrast=0.0,
            max_yaw=_NO_LIMIT,
            max_pitch=_NO_LIMIT,
            max_roll=_NO_LIMIT,
            min_detection=0.0,
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of a photo: `code` and `why` are empty where a face was written.

    `landmarks` are ten numbers, pixels of the photo as it is held upright.
    """

    photo: str
    crop: str
    stamp: tuple[int, int]
    code: str = ""
    why: str = ""
    score: float = 0.0
    landmarks: tuple[float, ...] = ()


class Cutter:
    """A detector that is open, and the folder the faces go into."""

    def __init__(self, cutting: Cutting, target: Path) -> None:
        self._cutting, self._target = cutting, target
        side = cutting.side
        contract = EmbeddingContract("none", "none", 1, side, arcface_template(side))
        detector = OnnxDetector(cutting.detector, sizes=(cutting.size,), threads=1)
        self._reader = FaceReader(
            contract,
            detector,
            Choice(cutting.choice),
            cutting.limits,
            require_detection=True,
        )

    def cut(self, photo: Photo) -> Cut:
        path = self._cutting.root / photo.name
        stamp = stamp_of(path)
        try:
            read = self._reader.read(path)
        except EmbedgeError as error:
            return Cut(photo.name, photo.crop, stamp, error.code, _reason(error))
        _written(self._target / photo.crop, jpeg_from_face(read.crop, self._cutting.quality))
        return Cut(photo.name, photo.crop, stamp, "", "", *_found(read))


_CUTTER: Cutter | None = None


def ready(cutting: Cutting, target: Path) -> None:
    """Once in each process: a detector is opened once, not for each photo."""
    global _CUTTER
    _CUTTER = Cutter(cutting, target)


def cut_here(photo: Photo) -> Cut:
    assert _CUTTER is not None, "ready() was not called in this process"
    return _CUTTER.cut(photo)


def stamp_of(path: Path) -> tuple[int, int]:
    """Changes when the photo does; zeros where there is nothing to read."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _reason(error: EmbedgeError) -> str:
    if isinstance(error, FaceRefused):
        return (
            f"{', '.join(error.reasons)}: eyes {error.quality.eye_distance or 0:.0f} pixels apart"
        )
    return error.what


def _found(read: ReadFace) -> tuple[float, tuple[float, ...]]:
    if read.face is None or read.face.landmarks is None:
        raise AssertionError("the reader looks for a face in every photo")
    return read.face.score, tuple(round(float(n), 2) for n in read.face.landmarks.ravel())


def _written(path: Path, data: bytes) -> None:
    """Whole or absent to whoever looks; all are synced together at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
