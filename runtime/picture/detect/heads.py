"""Detector heads: how the outputs of a network become boxes and landmarks in pixels.

A head recognises its own outputs by names and shapes and refuses anything else.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.picture.detect.candidates import Candidates, grid

__all__ = ["DetectorHead", "RetinaFaceHead", "ScrfdHead", "YunetHead", "head_of"]

Matrix = NDArray[np.float32]
Shape = Sequence[object]
Outputs = Mapping[str, Matrix]


class DetectorHead(Protocol):
    """`mean`, `scale` and `colour` prepare the input; sizes must be multiples of `multiple`."""

    mean: tuple[float, float, float]
    scale: float
    colour: str
    multiple: int

    def candidates(self, outputs: Outputs, height: int, width: int) -> Candidates: ...


def head_of(shapes: Mapping[str, Shape]) -> DetectorHead:
    """The head whose outputs these are."""
    for kind in (YunetHead, RetinaFaceHead, ScrfdHead):
        head = kind.recognise(shapes)
        if head is not None:
            return head
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in list(shapes.items())[:15])
    raise _not_a_detector(f"its outputs are those of no known detector: {listed}")


class YunetHead:
    """cls, obj, bbox and kps at strides 8, 16, 32, by name; one anchor a cell, BGR 0..255."""

    mean = (0.0, 0.0, 0.0)
    scale = 1.0
    colour = "BGR"
    multiple = 32
    _WIDTHS = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    _STRIDES = (8, 16, 32)

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> "YunetHead | None":
        wanted = {f"{kind}_{s}": w for kind, w in cls._WIDTHS for s in cls._STRIDES}
        if set(shapes) != set(wanted):
            return None
        fits = all(_last(shapes[name]) in (width, None) for name, width in wanted.items())
        return cls() if fits else None

    def candidates(self, outputs: Outputs, height: int, width: int) -> Candidates:
        return Candidates.joined(
            [self._level(outputs, stride, height, width) for stride in self._STRIDES]
        )

    def _level(self, outputs: Outputs, stride: int, height: int, width: int) -> Candidates:
        cells = grid(height, width, stride, 1)
        cls, obj, box, points = (
            _rows(outputs[f"{kind}_{stride}"], size, len(cells)) for kind, size in self._WIDTHS
        )
        scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
        centre = cells + box[:, :2] * stride
        half = _extent(box[:, 2:]) * stride / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        return Candidates(boxes, scores, cells[:, None] + points.reshape(-1, 5, 2) * stride)


class ScrfdHead:
    """Scores, distances and landmarks per level: 6 or 9 outputs over three strides (two anchors
    a cell), 10 or 15 over five (one anchor); names vary, so levels are told by their row counts.
    """

    mean = (127.5, 127.5, 127.5)
    scale = 1 / 128
    colour = "RGB"

    def __init__(self, groups: tuple[list[str], list[str], list[str]]) -> None:
        self._groups = groups
        levels = len(groups[0])
        self._strides = tuple(8 << level for level in range(levels))
        self._anchors = 2 if levels == 3 else 1
        self.multiple = self._strides[-1]

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> "ScrfdHead | None":
        groups = tuple(
            [name for name, shape in shapes.items() if _is_rows(shape, width)]
            for width in (1, 4, 10)
        )
        scores, boxes, points = groups
        whole = sum(map(len, groups)) == len(shapes)
        if not whole or len(scores) not in (3, 5) or len(boxes) != len(scores):
            return None
        return cls((scores, boxes, points)) if len(points) in (0, len(scores)) else None

    def candidates(self, outputs: Outputs, height: int, width: int) -> Candidates:
        scores, boxes, points = (self._by_level(outputs, names) for names in self._groups)
        return Candidates.joined(
            [
                self._level(stride, height, width, scores[i], boxes[i], points and points[i])
                for i, stride in enumerate(self._strides)
            ]
        )

    @staticmethod
    def _by_level(outputs: Outputs, names: list[str]) -> list[Matrix]:
        """Finest level first: it has the most rows."""
        return sorted((outputs[name] for name in names), key=lambda rows: -rows.size)

    def _level(
        self,
        stride: int,
        height: int,
        width: int,
        scores: Matrix,
        distances: Matrix,
        offsets: Matrix | list[Matrix],
    ) -> Candidates:
        cells = grid(height, width, stride, self._anchors)
        scores = _rows(scores, 1, len(cells))[:, 0]
        if len(scores) and not (scores.min() >= -1e-3 and scores.max() <= 1.001):
            raise _not_a_detector("its scores are not between 0 and 1")
        distances = _rows(distances, 4, len(cells)) * stride
        boxes = np.concatenate([cells - distances[:, :2], cells + distances[:, 2:]], axis=1)
        if not isinstance(offsets, np.ndarray):
            return Candidates(boxes, scores, None)
        offsets = _rows(offsets, 10, len(cells)).reshape(-1, 5, 2)
        return Candidates(boxes, scores, cells[:, None] + offsets * stride)


class RetinaFaceHead:
    """Boxes, two-class confidences and landmarks against prior boxes, in one row per prior."""

    mean = (104.0, 117.0, 123.0)
    scale = 1.0
    colour = "BGR"
    multiple = 32
    _PRIORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))

    def __init__(self, box: str, confidence: str, points: str) -> None:
        self._names = (box, confidence, points)

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> "RetinaFaceHead | None":
        found = {_last(shape): name for name, shape in shapes.items() if len(shape) in (2, 3)}
        if len(shapes) != 3 or set(found) != {4, 2, 10}:
            return None
        return cls(found[4], found[2], found[10])

    def candidates(self, outputs: Outputs, height: int, width: int) -> Candidates:
        centres, sizes = self._priors(height, width)
        box, confidence, points = (
            _rows(outputs[name], wide, len(centres)) for name, wide in zip(self._names, (4, 2, 10))
        )
        middle = centres + box[:, :2] * 0.1 * sizes
        half = sizes * _extent(box[:, 2:] * 0.2) / 2
        landmarks = centres[:, None] + points.reshape(-1, 5, 2) * 0.1 * sizes[:, None]
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        return Candidates(boxes, _face_probability(confidence), landmarks)

    def _priors(self, height: int, width: int) -> tuple[Matrix, Matrix]:
        centres, sizes = [], []
        for stride, edges in self._PRIORS:
            cells = grid(height, width, stride, len(edges)) + stride / 2
            centres.append(cells)
            edge = np.tile(np.array(edges, np.float32), len(cells) // len(edges))
            sizes.append(np.stack([edge, edge], axis=1))
        return np.concatenate(centres).astype(np.float32), np.concatenate(sizes)


def _extent(logarithm: Matrix) -> Matrix:
    """exp, kept finite: nothing a detector sees is e²⁰ cells wide."""
    extent: Matrix = np.exp(np.minimum(logarithm, 20.0))
    return extent


def _face_probability(confidence: Matrix) -> Matrix:
    """Exports differ in whether they end with the softmax; its rows add up to one."""
    if np.abs(confidence.sum(axis=1) - 1).max(initial=0) < 1e-3 and confidence.min(initial=0) >= 0:
        return confidence[:, 1]
    with np.errstate(over="ignore"):
        shares: Matrix = 1 / (1 + np.exp(confidence[:, 0] - confidence[:, 1]))
    return shares


def _rows(output: Matrix, width: int, count: int) -> Matrix:
    """(count, width), from rank 2 or from rank 3 with a batch of one."""
    if output.shape not in ((count, width), (1, count, width)):
        raise _not_a_detector(
            f"an output has shape {output.shape} where ({count}, {width}) was expected"
        )
    return output.reshape(count, width)


def _is_rows(shape: Shape, width: int) -> bool:
    return len(shape) in (2, 3) and _last(shape) == width


def _last(shape: Shape) -> int | None:
    return shape[-1] if shape and isinstance(shape[-1], int) else None


def _not_a_detector(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-DETECTOR",
        f"this model is not a face detector that can be read: {what}",
        remedy="Give an SCRFD, YuNet or RetinaFace ONNX file as its authors export it",
    )
