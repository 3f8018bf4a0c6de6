"""The painted head: colours per pixel, and brushes that know where on the face a pixel lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.surface.shapes import Floats

__all__ = ["Canvas", "Window"]

Indices = NDArray[np.intp]


@dataclass(slots=True)
class Canvas:
    """Linear RGB albedo (3, n) and shine (n,), over front coordinates x, y of the head's surface.

    `front` is 0 behind the ears. `soft` is the size of a pixel in pupil distances.
    """

    x: Floats
    y: Floats
    across: Floats
    down: Floats
    front: Floats
    colour: Floats
    shine: Floats
    soft: float

    def paint(self, cover: Floats, colour: tuple[float, float, float] | Floats) -> None:
        """Blend towards a colour, or a colour per pixel."""
        target = np.asarray(colour, np.float32)
        target = target[:, None] if target.ndim == 1 else target
        self.colour += cover * (target - self.colour)

    def dim(self, factor: Floats) -> None:
        self.colour *= factor

    def window(self, x: float, y: float, wide: float, high: float) -> "Window":
        """The pixels around a point of the face."""
        near = np.abs(self.y - y) < high
        near &= np.abs(self.x - x) < wide
        near &= self.front > 0
        return Window(self, np.flatnonzero(near))

    def twin_windows(self, x: float, y: float, wide: float, high: float) -> "Window":
        """The pixels around a point and its mirror image."""
        near = np.abs(self.y - y) < high
        near &= np.abs(np.abs(self.x) - x) < wide
        near &= self.front > 0
        return Window(self, np.flatnonzero(near))


class Window:
    """A few pixels of a canvas; painting on it paints on the canvas when the block ends."""

    def __init__(self, canvas: Canvas, index: Indices) -> None:
        self._canvas, self._index = canvas, index

    def __enter__(self) -> Canvas:
        whole, index = self._canvas, self._index
        self._part = Canvas(
            x=whole.x.take(index),
            y=whole.y.take(index),
            across=whole.across.take(index),
            down=whole.down.take(index),
            front=whole.front.take(index),
            colour=whole.colour.take(index, axis=1),
            shine=whole.shine.take(index),
            soft=whole.soft,
        )
        return self._part

    def __exit__(self, *_: object) -> None:
        for channel, values in zip(self._canvas.colour, self._part.colour):
            channel[self._index] = values
        self._canvas.shine[self._index] = self._part.shine
