"""insightface's FaceAnalysis as a detector, for those who have it installed anyway."""

from typing import Any

import numpy as np

from embedge.runtime.picture.detect import Face
from embedge.runtime.picture.images import RgbImage

__all__ = ["FaceAnalysisDetector"]


class FaceAnalysisDetector:
    """Wraps a prepared `insightface.app.FaceAnalysis`, or any model with its `det_model`."""

    def __init__(self, analysis: Any) -> None:
        self._model = getattr(analysis, "det_model", analysis)

    def detect(self, image: RgbImage) -> list[Face]:
        boxes, landmarks = self._model.detect(np.ascontiguousarray(image[..., ::-1]))
        return [
            Face(
                tuple(map(float, row[:4])),  # type: ignore[arg-type]
                float(row[4]),
                None if landmarks is None else np.asarray(landmarks[index], np.float32),
            )
            for index, row in enumerate(boxes)
        ]

    def close(self) -> None:
        """The wrapped object belongs to whoever made it."""
