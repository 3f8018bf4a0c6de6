"""From a picture to the aligned crop of the one face that is meant, or a clear refusal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.detect import Choice, Detector, Face, chosen_face
from embedge.runtime.picture.images import Picture, RgbImage, rgb_from_picture
from embedge.runtime.picture.quality import (
    FaceRefused,
    Quality,
    QualityLimits,
    Reason,
    measured_quality,
)

__all__ = ["FaceReader", "ReadFace", "detector_from"]


@dataclass(frozen=True, slots=True, eq=False)
class ReadFace:
    """An aligned crop (size, size, 3), the face it was cut from, and what it is like.

    `face` is None where the picture was an aligned crop already.
    """

    crop: RgbImage
    face: Face | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class FaceReader:
    """How pictures become crops: the contract's template, a detector, a policy, limits."""

    contract: EmbeddingContract
    detector: Detector | None = None
    choice: Choice = Choice.ONE
    limits: QualityLimits | None = None
    owns_detector: bool = False

    @classmethod
    def for_bundle(
        cls,
        bundle: Bundle,
        *,
        detector: Detector | str | Path | bytes | None = None,
        choice: Choice | str = Choice.ONE,
        limits: QualityLimits | None = None,
        threads: int | None = None,
    ) -> Self:
        """What the caller gives comes first, what the bundle brings along second."""
        if limits is None and "quality" in bundle.extras:
            limits = QualityLimits.from_json(bundle.extras["quality"])
        made = detector is None or isinstance(detector, str | Path | bytes)
        if detector is None:
            found = _bundled_detector(bundle, threads)
        else:
            found = detector_from(detector, threads=threads)
        return cls(bundle.contract, found, Choice(choice), limits, owns_detector=made)

    def close(self) -> None:
        """A detector that was handed over stays open: it belongs to whoever made it."""
        if self.detector is not None and self.owns_detector:
            self.detector.close()

    def read(self, picture: Picture, landmarks: ArrayLike | None = None) -> ReadFace:
        """A picture of exactly the contract's size is taken as an aligned crop."""
        image = rgb_from_picture(picture)
        where = picture if isinstance(picture, str | Path) else None
        try:
            return self._accepted(self._read(image, landmarks), where)
        except EmbedgeError as error:
            if where is None or error.where is not None or isinstance(error, FaceRefused):
                raise
            raise EmbedgeError(error.code, error.what, remedy=error.remedy, where=where) from error

    def read_all(self, picture: Picture) -> list[ReadFace]:
        """Every face that is good enough, largest first; the policy does not apply."""
        image = rgb_from_picture(picture)
        faces = sorted(self._found(image), key=lambda face: -face.area)
        read = [self._cut(image, face) for face in faces if face.landmarks is not None]
        return [face for face in read if not self._reasons(face)]

    def _read(self, image: RgbImage, landmarks: ArrayLike | None) -> ReadFace:
        if landmarks is not None:
            points = np.asarray(landmarks, np.float32)
            crop = aligned_crop(image, points, self.contract.template, self.contract.size)
            return ReadFace(crop, None, measured_quality(crop, points))
        size = self.contract.size
        if image.shape[:2] == (size, size):
            return ReadFace(image, None, measured_quality(image))
        middle = (image.shape[1] / 2, image.shape[0] / 2)
        return self._cut(image, chosen_face(self._found(image), self.choice, middle))

    def _cut(self, image: RgbImage, face: Face) -> ReadFace:
        points = _landmarks_of(face)
        crop = aligned_crop(image, points, self.contract.template, self.contract.size)
        return ReadFace(crop, face, measured_quality(crop, points, face.score))

    def _found(self, image: RgbImage) -> list[Face]:
        if self.detector is not None:
            return self.detector.detect(image)
        size = self.contract.size
        raise EmbedgeError(
            "E-NOT-ALIGNED",
            f"the picture is {image.shape[1]}×{image.shape[0]}, an aligned crop is {size}×{size}",
            remedy="Give an aligned crop, or the picture with a detector or its five landmarks",
        )

    def _accepted(self, face: ReadFace, where: str | Path | None) -> ReadFace:
        reasons = self._reasons(face)
        if reasons:
            raise FaceRefused(reasons, face.quality, where)
        return face

    def _reasons(self, face: ReadFace) -> tuple[Reason, ...]:
        return () if self.limits is None else self.limits.reasons(face.quality)


def detector_from(source: Detector | str | Path | bytes, *, threads: int | None = None) -> Detector:
    """A detector as it is (insightface's FaceAnalysis included), or one from an ONNX file."""
    if hasattr(source, "det_model"):
        from embedge.runtime.picture.detect.insightface import FaceAnalysisDetector

        return FaceAnalysisDetector(source)
    if not isinstance(source, str | Path | bytes):
        return source
    from embedge.runtime.picture.detect.onnx_detector import OnnxDetector

    return OnnxDetector(source, threads=threads)


def _bundled_detector(bundle: Bundle, threads: int | None) -> Detector | None:
    if "detector" not in bundle.extras:
        return None
    from embedge.runtime.picture.detect.onnx_detector import OnnxDetector

    stated = bundle.extras["detector"]
    return OnnxDetector(
        bundle.read(stated["file"]),
        sizes=tuple(stated.get("sizes", (640,))),
        score=float(stated.get("score", 0.5)),
        threads=threads,
    )


def _landmarks_of(face: Face) -> NDArray[np.float32]:
    if face.landmarks is not None:
        return face.landmarks
    raise EmbedgeError(
        "E-NO-LANDMARKS",
        "this detector finds faces but no landmarks, so they cannot be aligned",
        remedy="Use a detector with five landmarks (SCRFD with kps, YuNet, RetinaFace)",
    )
