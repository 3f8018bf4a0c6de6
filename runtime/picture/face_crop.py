"""From a picture to the aligned crop of the one face that is meant, or a clear refusal."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.errors import EmbedgeError, ours
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.detect import Choice, Detector, Face, chosen_face
from embedge.runtime.picture.images import Colour, Picture, RgbImage, check_colour, rgb_from_picture
from embedge.runtime.picture.quality import (
    FaceRefused,
    Quality,
    QualityLimits,
    Reason,
    measured_quality,
)
from embedge.runtime.picture.skin import BLUER_THAN_SKIN, cheeks_of

__all__ = ["FaceReader", "ReadFace", "detector_from"]


_LEAST_CONTRAST = 2.0  # grey levels; a lens cap with its sensor's noise has less, a face more


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
    """How pictures become crops: the contract's template, a detector, a policy, limits.

    Where there is a detector, a face is looked for in every picture, unless it is declared to be an
    `aligned` crop: noise of the crop's size looks like noise to everybody. `require_detection`
    says otherwise: False takes any picture of that size as a crop, True never does.
    """

    contract: EmbeddingContract
    detector: Detector | None = None
    choice: Choice = Choice.ONE
    limits: QualityLimits | None = None
    owns_detector: bool = False
    aligned: bool = False
    require_detection: bool | None = None
    colour: Colour | None = None

    def __post_init__(self) -> None:
        check_colour(self.colour)

    @classmethod
    def for_bundle(
        cls,
        bundle: Bundle,
        *,
        detector: Detector | str | Path | bytes | None = None,
        choice: Choice | str = Choice.ONE,
        limits: QualityLimits | None = None,
        threads: int | None = None,
        aligned: bool = False,
        require_detection: bool | None = None,
        colour: Colour | None = None,
    ) -> Self:
        """What the caller gives comes first, what the bundle brings along second."""
        if limits is None and "quality" in bundle.extras:
            limits = QualityLimits.from_json(bundle.extras["quality"])
        made = detector is None or isinstance(detector, str | os.PathLike | bytes)
        if detector is None:
            found = _bundled_detector(bundle, threads)
        else:
            found = detector_from(detector, threads=threads)
        return cls(
            bundle.contract,
            found,
            _choice(choice),
            limits,
            owns_detector=made,
            aligned=aligned,
            require_detection=require_detection,
            colour=colour,
        )

    def close(self) -> None:
        """A detector that was handed over stays open: it belongs to whoever made it."""
        if self.detector is not None and self.owns_detector:
            self.detector.close()

    def read(
        self,
        picture: Picture,
        landmarks: ArrayLike | None = None,
        *,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> ReadFace:
        """`aligned` declares an aligned crop, or that it is none, `colour` the order of an array's
        channels; None leaves it to the reader."""
        image = self._image(picture, colour)
        where = os.fsdecode(picture) if isinstance(picture, str | os.PathLike) else None
        try:
            declared = self.aligned if aligned is None else aligned
            face = self._read(image, landmarks, declared)
            self._require_colour(picture, colour, face)
            return self._accepted(face, where)
        except EmbedgeError as error:
            if where is None or error.where is not None or isinstance(error, FaceRefused):
                raise
            raise EmbedgeError(error.code, error.what, remedy=error.remedy, where=where) from error

    def read_all(self, picture: Picture, *, colour: Colour | None = None) -> list[ReadFace]:
        """Every face of a picture, the largest first, the unfit ones too: see `reasons`."""
        image = self._image(picture, colour)
        found = sorted(self._found(image), key=lambda face: -face.area)
        cut = [self._cut_or_none(image, face) for face in found]
        faces = [face for face in cut if face is not None]
        for face in faces[:1]:
            self._require_colour(picture, colour, face)
        return faces

    def _image(self, picture: Picture, colour: Colour | None) -> RgbImage:
        return rgb_from_picture(picture, colour=self.colour if colour is None else colour)

    def _require_colour(self, picture: Picture, colour: Colour | None, read: ReadFace) -> None:
        """Of a detected face in an array that nobody declared: skin is redder than it is blue."""
        if read.face is None or colour or self.colour or not isinstance(picture, np.ndarray):
            return
        red, blue = cheeks_of(read.crop)
        if blue - red > BLUER_THAN_SKIN:
            raise EmbedgeError(
                "E-COLOUR",
                f"the face is bluer than skin is (blue {blue:.0f}, red {red:.0f}): this array looks"
                " like BGR",
                remedy='Say colour="BGR" for arrays of OpenCV, or colour="RGB" if the light is so',
            )

    def _read(self, image: RgbImage, landmarks: ArrayLike | None, declared: bool) -> ReadFace:
        if landmarks is not None:
            crop = aligned_crop(image, landmarks, self.contract.template, self.contract.size)
            return ReadFace(crop, None, measured_quality(crop, np.asarray(landmarks, np.float32)))
        if declared or self._is_a_crop(image):
            self._require_size(image)
            return ReadFace(image, None, measured_quality(image))
        middle = (image.shape[1] / 2, image.shape[0] / 2)
        return self._cut(image, chosen_face(self._found(image), self.choice, middle))

    def _cut(self, image: RgbImage, face: Face) -> ReadFace:
        points = _landmarks_of(face)
        crop = aligned_crop(image, points, self.contract.template, self.contract.size)
        return ReadFace(crop, face, measured_quality(crop, points, face.score))

    def _cut_or_none(self, image: RgbImage, face: Face) -> ReadFace | None:
        """Among several detections some are none; alone in its picture such a one is an error."""
        try:
            return self._cut(image, face)
        except EmbedgeError as error:
            if error.code != "E-LANDMARKS":
                raise
            return None

    def _is_a_crop(self, image: RgbImage) -> bool:
        """Undeclared: only where no face could be looked for, or need not be."""
        looks = self.detector is not None
        wanted = looks if self.require_detection is None else self.require_detection
        return not wanted and image.shape[:2] == (self.contract.size, self.contract.size)

    def _require_size(self, image: RgbImage) -> None:
        size = self.contract.size
        if image.shape[:2] == (size, size):
            return
        raise EmbedgeError(
            "E-NOT-ALIGNED",
            f"the picture is {image.shape[1]}×{image.shape[0]}, an aligned crop is {size}×{size}",
            remedy="Give a face detector (--detector FILE.onnx, detector= in Python), the five"
            " landmarks, or an aligned crop",
        )

    def _found(self, image: RgbImage) -> list[Face]:
        if self.detector is not None:
            return self.detector.detect(image)
        self._require_size(image)
        raise EmbedgeError(
            "E-NOT-ALIGNED",
            "a face must be looked for in every picture, and there is no detector",
            remedy="Give a detector (--detector FILE.onnx), or declare aligned crops (--aligned)",
        )

    def _accepted(self, face: ReadFace, where: str | None) -> ReadFace:
        reasons = self.reasons(face)
        if reasons:
            raise FaceRefused(reasons, face.quality, where)
        if not face.quality.contrast >= _LEAST_CONTRAST:
            raise EmbedgeError(
                "E-NO-FACE",
                "there is no face in it: all of it has one brightness",
                where=where,
                remedy="Check the camera and the light, then take the picture again",
            )
        return face

    def reasons(self, face: ReadFace) -> tuple[Reason, ...]:
        """What speaks against a face by the limits; empty where it may be compared."""
        return () if self.limits is None else self.limits.reasons(face.quality)


def detector_from(source: Detector | str | Path | bytes, *, threads: int | None = None) -> Detector:
    """A detector as it is (insightface's FaceAnalysis included), or one from an ONNX file."""
    if hasattr(source, "det_model"):
        from embedge.runtime.picture.detect.insightface import FaceAnalysisDetector

        return FaceAnalysisDetector(source)
    if callable(getattr(source, "detect", None)):
        return source  # type: ignore[return-value]
    if not isinstance(source, str | os.PathLike | bytes):
        raise EmbedgeError(
            "E-DETECTOR",
            f"a detector cannot be made from {source!r:.80}",
            remedy="Give an ONNX file, its bytes, or an object with detect(image)",
        )
    from embedge.runtime.picture.detect.onnx_detector import OnnxDetector

    file = Path(source) if isinstance(source, os.PathLike) else source
    return OnnxDetector(file, threads=threads)


def _choice(choice: Choice | str) -> Choice:
    try:
        return Choice(choice)
    except ours(ValueError) as error:
        raise EmbedgeError(
            "E-OPTION", f"choice is {choice!r:.80}", remedy=f"Give one of {', '.join(Choice)}"
        ) from error


def _bundled_detector(bundle: Bundle, threads: int | None) -> Detector | None:
    stated = bundle.declared.known.detector
    if stated is None:
        return None
    from embedge.runtime.picture.detect.onnx_detector import OnnxDetector

    return OnnxDetector(
        bundle.read(stated.file), sizes=stated.sizes, score=stated.score, threads=threads
    )


def _landmarks_of(face: Face) -> NDArray[np.float32]:
    if face.landmarks is not None:
        return face.landmarks
    raise EmbedgeError(
        "E-NO-LANDMARKS",
        "this detector finds faces but no landmarks, so they cannot be aligned",
        remedy="Use a detector with five landmarks (SCRFD with kps, YuNet, RetinaFace)",
    )
