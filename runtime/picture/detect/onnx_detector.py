"""A face detector from an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.runtime.closing import Closing, closed_error
from embedge.runtime.encoders.sessions import ort_session, run_session
from embedge.runtime.picture.detect import Face
from embedge.runtime.picture.detect.candidates import Candidates, suppressed
from embedge.runtime.picture.detect.heads import DetectorHead, head_of
from embedge.runtime.picture.images import RgbImage

__all__ = ["OnnxDetector", "letterbox"]

_LARGEST_SIDE = 4096


class OnnxDetector(Closing):
    """SCRFD, YuNet or RetinaFace on ONNX Runtime; safe to share between threads.

    `sizes` are the square inputs tried on each picture, unless the model fixes its own: one of
    128 finds faces that fill the picture, one of 640 finds small ones. `score` and `overlap` are
    the detector's own thresholds (confidence, and intersection over union of two faces).
    """

    def __init__(
        self,
        model: bytes | str | Path,
        *,
        sizes: Sequence[int] = (640,),
        score: float = 0.5,
        overlap: float = 0.4,
        threads: int | None = None,
        require_provider: str | None = None,
    ) -> None:
        self._session: Any = ort_session(model, threads=threads, require_provider=require_provider)
        self._head: DetectorHead = head_of({o.name: o.shape for o in self._session.get_outputs()})
        self._input, self._passes = _passes(self._session, sizes, self._head)
        self._names = [output.name for output in self._session.get_outputs()]
        self._score, self._overlap = score, overlap

    @property
    def head(self) -> str:
        """Which kind of detector was recognised."""
        return type(self._head).__name__.removesuffix("Head")

    def detect(self, image: RgbImage) -> list[Face]:
        """Every face, best first."""
        found = [self._pass(image, *size) for size in self._passes]
        return suppressed(Candidates.joined(found), self._overlap).faces()

    def _pass(self, image: RgbImage, height: int, width: int) -> Candidates:
        session = self._session  # one look: another thread may close the detector meanwhile
        if session is None:
            raise closed_error("detector")
        canvas, scale = letterbox(image, width, height)
        outputs = run_session(session, None, {self._input: self._tensor(canvas)})
        named = dict(zip(self._names, outputs))
        with np.errstate(over="ignore", invalid="ignore"):  # absurd boxes are dropped below
            candidates = self._head.candidates(named, height, width)
        return candidates.above(self._score).scaled(1 / scale)

    def _tensor(self, canvas: RgbImage) -> NDArray[np.float32]:
        if self._head.colour == "BGR":
            canvas = canvas[..., ::-1]
        planes = np.ascontiguousarray(canvas.transpose(2, 0, 1), np.float32)
        for plane, mean in zip(planes, self._head.mean):  # a number at a time is far faster
            plane -= np.float32(mean)
        planes *= np.float32(self._head.scale)
        return planes[None]

    def close(self) -> None:
        self._session = None


def _passes(
    session: Any, sizes: Sequence[int], head: DetectorHead
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """(input name, the (height, width) of every pass)."""
    inputs = session.get_inputs()
    shape = inputs[0].shape
    if len(inputs) != 1 or len(shape) != 4 or shape[0] not in (1, *_symbols(shape[0])):
        raise _bad_input(f"its input is {[i.shape for i in inputs]}")
    if shape[1] != 3 or inputs[0].type != "tensor(float)":
        raise _bad_input(f"its input is {inputs[0].type} {shape}")
    fixed = [side for side in shape[2:] if isinstance(side, int) and side > 0]
    passes = (tuple(fixed),) if len(fixed) == 2 else tuple((size, size) for size in sizes)
    for side in {side for each in passes for side in each}:
        if not 0 < side <= _LARGEST_SIDE or side % head.multiple:
            raise _bad_input(f"an input side of {side} is not a multiple of {head.multiple}")
    if sum(height * width for height, width in passes) > _LARGEST_SIDE**2:
        raise _bad_input(f"its passes have more pixels than {_LARGEST_SIDE} by {_LARGEST_SIDE}")
    return inputs[0].name, passes  # type: ignore[return-value]


def _symbols(axis: object) -> tuple[object, ...]:
    return () if isinstance(axis, int) else (axis,)


def _bad_input(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DETECTOR",
        f"this detector cannot be fed: {what}",
        remedy="Give one for float32 (1, 3, height, width), with sides that it divides evenly",
    )


def letterbox(image: RgbImage, width: int, height: int) -> tuple[RgbImage, float]:
    """(canvas of height×width with the picture top left, scale from picture to canvas)."""
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    size = (max(1, int(columns * scale)), max(1, int(rows * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: size[1], : size[0]] = _resized(Image.fromarray(image), size)
    return canvas, scale


def _resized(image: Image.Image, size: tuple[int, int]) -> RgbImage:
    """Plain bilinear, as detectors are trained with; beyond a factor of two it skips pixels.

    Enlarging, pillow's resize is the same thing and several times as fast.
    """
    across, down = image.width / size[0], image.height / size[1]
    if max(across, down) <= 1 or max(across, down) > 2:
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    coefficients = (across, 0.0, 0.0, 0.0, down, 0.0)
    stretched = image.transform(
        size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(stretched)
