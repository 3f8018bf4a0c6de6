"""OpenCV's VideoCapture over frames in memory, for machines without OpenCV."""

import types
from collections.abc import Iterable

import numpy as np


def fake_cv2(frames: Iterable[np.ndarray], rate: float = 10.0) -> types.ModuleType:
    """A module to stand in for cv2: RGB frames go in, BGR frames come out, as from a camera."""

    class VideoCapture:
        def __init__(self, where: object) -> None:
            self.coming = iter(frames)

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def set(self, number: int, value: float) -> bool:
            return True

        def get(self, number: int) -> float:
            return rate

        def read(self) -> tuple[bool, np.ndarray | None]:
            frame = next(self.coming, None)
            return frame is not None, None if frame is None else frame[..., ::-1]

        def release(self) -> None:
            self.coming = iter(())

    module = types.ModuleType("cv2")
    module.VideoCapture = VideoCapture  # type: ignore[attr-defined]
    module.CAP_PROP_BUFFERSIZE, module.CAP_PROP_FPS = 38, 5  # type: ignore[attr-defined]
    return module
