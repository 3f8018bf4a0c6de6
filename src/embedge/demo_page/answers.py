"""What the demo page is told about two pictures."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from embedge.calibration.evaluation.figures import Histogram
from embedge.errors import EmbedgeError
from embedge.report.read import report_from_bytes
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.picture.face_crop import ReadFace
from embedge.runtime.picture.images import RgbImage, rgb_from_picture

__all__ = ["MAX_PIXELS", "Comparer", "Errors"]

_SHOWN = 480  # pixels of the longer side of a picture that is sent back
MAX_PIXELS = 16_000_000  # of a picture, as a telephone takes it


@dataclass(frozen=True, slots=True)
class Errors:
    """How often the measured pairs would have erred at any score: two falling-and-rising curves."""

    cosines: list[float]
    fmr: list[float]
    fnmr: list[float]

    @classmethod
    def of(cls, bundle: Bundle, artifact: str) -> "Errors | None":
        """From the report in the bundle, where the artifact was compared with itself."""
        if "report.json" not in bundle.files:
            return None
        report = report_from_bytes(
            bundle.read("report.json"), where=f"report.json of {bundle.name}"
        )
        for one in report.comparisons:
            # an evaluation of single files knows no artifacts: there the model is the file
            if one.gallery == one.probe and artifact == (one.probe.artifact or one.probe.model):
                return cls._of_histogram(one.histogram)
        return None

    @classmethod
    def _of_histogram(cls, histogram: Histogram) -> "Errors":
        impostor = np.asarray(histogram.impostor, float)
        genuine = np.asarray(histogram.genuine, float)
        above = np.concatenate([impostor[::-1].cumsum()[::-1], [0.0]]) / max(impostor.sum(), 1)
        below = np.concatenate([[0.0], genuine.cumsum()]) / max(genuine.sum(), 1)
        return cls(list(histogram.edges), above.tolist(), below.tolist())

    def at(self, cosine: float) -> dict[str, float]:
        """The point of the DET curve that a threshold at this score would be."""
        return {
            "fmr": float(np.interp(cosine, self.cosines, self.fmr)),
            "fnmr": float(np.interp(cosine, self.cosines, self.fnmr)),
        }

    def to_json(self) -> dict[str, list[float]]:
        return {"cosines": self.cosines, "fmr": self.fmr, "fnmr": self.fnmr}


@dataclass(frozen=True, slots=True)
class Comparer:
    """Reads, compares and explains; keeps nothing of either picture."""

    matcher: FaceMatcher
    errors: Errors | None

    def answer(self, a: bytes, b: bytes) -> dict[str, Any]:
        """Both faces as far as they could be read, and the decision if both could."""
        pictures = [self._picture(data) for data in (a, b)]
        faces = [face for _, face in pictures if face is not None]
        told: dict[str, Any] = {"pictures": [shown for shown, _ in pictures], "result": None}
        if len(faces) == 2:
            told["result"] = self._result(*faces)
        return told

    def _result(self, a: ReadFace, b: ReadFace) -> dict[str, Any]:
        result = self.matcher.verify_faces(a, b)
        position = None if self.errors is None else self.errors.at(result.cosine)
        curve = None if self.errors is None else self.errors.to_json()
        return {**result.to_json(), "det": position, "curve": curve}

    def _picture(self, data: bytes) -> tuple[dict[str, Any], ReadFace | None]:
        try:
            image = rgb_from_picture(data, max_pixels=MAX_PIXELS)
        except EmbedgeError as error:
            return {"error": _told(error)}, None
        shown: dict[str, Any] = {
            "width": image.shape[1],
            "height": image.shape[0],
            "picture": _data_uri(image),
        }
        try:
            face = self.matcher.reader.read(image, colour="RGB")
        except EmbedgeError as error:
            return {**shown, "error": _told(error)}, None
        shown["crop"] = _data_uri(face.crop)
        shown["quality"] = face.quality.to_json()
        if face.face is not None:
            shown["box"] = list(face.face.box)
            shown["landmarks"] = (
                None if face.face.landmarks is None else face.face.landmarks.tolist()
            )
        return shown, face


def _told(error: EmbedgeError) -> dict[str, str]:
    return {"code": error.code, "what": error.what, "remedy": error.remedy}


def _data_uri(image: RgbImage) -> str:
    step = max(1, max(image.shape) // (4 * _SHOWN))  # few pixels are copied, however many there are
    picture = Image.fromarray(np.ascontiguousarray(image[::step, ::step]))
    picture.thumbnail((_SHOWN, _SHOWN))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
