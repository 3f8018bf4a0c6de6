"""Frames of a camera, a stream or a video file, as RGB, each with its time."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.runtime.closing import Closing
from embedge.runtime.picture.images import Colour, RgbImage, rgb_from_picture

__all__ = ["Capture", "Frame", "live_frames", "opened_frames", "recorded_frames"]

_PATIENCE = 10.0  # seconds without a frame, after which a camera is gone
_SLOWEST, _FASTEST = 1.0, 240.0
Tell = Callable[[EmbedgeError], None]


@dataclass(frozen=True, slots=True)
class Frame:
    """`time` is in seconds: of the video, or of a clock that only goes forward."""

    time: float
    image: RgbImage


class Capture(Protocol):
    """What OpenCV's VideoCapture answers, and all that is asked of it."""

    def read(self) -> tuple[bool, NDArray[Any] | None]: ...
    def get(self, number: int, /) -> float: ...
    def release(self) -> None: ...


def _raised(error: EmbedgeError) -> None:
    raise error


def opened_frames(source: str, *, every: int = 1, tell: Tell = _raised) -> Iterator[Frame]:
    """Of a camera by number, a stream by URL, or a video file: of a file each `every`-th frame.

    A frame that is no picture is told and passed over.
    """
    cv2 = require("cv2", extra="camera")
    live = source.isdecimal() or "://" in source
    if not live and not Path(source).is_file():
        raise _gone(source, "there is no such video")
    capture = _capture(cv2, int(source) if source.isdecimal() else source, source)
    if live:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return live_frames(capture, source, tell=tell)
    rate = min(max(capture.get(cv2.CAP_PROP_FPS) or 25.0, _SLOWEST), _FASTEST)
    return recorded_frames(capture, rate, every=every, tell=tell)


def _capture(cv2: ModuleType, where: int | str, source: str) -> Any:
    capture = cv2.VideoCapture(where)
    if not capture.isOpened():
        raise _gone(source, "the camera or video cannot be opened")
    return capture


def recorded_frames(
    capture: Capture, rate: float, *, every: int = 1, tell: Tell = _raised
) -> Iterator[Frame]:
    """Every `every`-th frame to the end of the file, by the time of the video."""
    number = 0
    try:
        while True:
            fine, image = capture.read()
            if not fine or image is None:
                return
            if number % every == 0:
                yield from _frames(number / rate, image, tell)
            number += 1
    finally:
        capture.release()


def live_frames(
    capture: Capture,
    source: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    patience: float = _PATIENCE,
    tell: Tell = _raised,
) -> Iterator[Frame]:
    """Always the newest frame: whoever looks slower than the camera misses frames, not the time."""
    with _Newest(capture, clock) as newest:
        while True:
            frame = newest.take(patience)
            if frame is None:
                raise _gone(source, f"no frame came for {patience:g} seconds")
            taken, image = frame
            yield from _frames(taken, image, tell)


def _frames(taken: float, image: NDArray[Any], tell: Tell) -> Iterator[Frame]:
    """One, or none where the camera gave what is no picture."""
    try:
        rgb = rgb_from_picture(image, colour=_order(image))
    except EmbedgeError as error:
        tell(error)
    else:
        yield Frame(taken, rgb)


def _order(image: NDArray[Any]) -> Colour:
    """OpenCV's frames are BGR; a camera of one colour gives grey."""
    return "GREY" if image.ndim == 2 or image.shape[-1:] == (1,) else "BGR"


class _Newest(Closing):
    """A thread that reads without a pause and keeps one frame."""

    def __init__(self, capture: Capture, clock: Callable[[], float]) -> None:
        self._capture, self._clock = capture, clock
        self._frame: tuple[float, NDArray[Any]] | None = None
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    def take(self, patience: float) -> tuple[float, NDArray[Any]] | None:
        """The frame that nobody had yet, or None when none comes any more."""
        with self._news:
            self._news.wait_for(lambda: self._frame is not None or self._over, patience)
            frame, self._frame = self._frame, None
            return frame

    def _read(self) -> None:
        while not self._over:
            fine, image = self._capture.read()
            with self._news:
                if fine and image is not None:
                    self._frame = (self._clock(), image)
                else:
                    self._over = True
                self._news.notify()

    def close(self) -> None:
        self._over = True
        self._thread.join(timeout=_PATIENCE)
        if not self._thread.is_alive():  # a camera that hangs is not released under its reader
            self._capture.release()


def _gone(source: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-CAMERA",
        what,
        where=source,
        remedy="Check the camera's number (0 is the first), the URL or the path, and that no other"
        " program holds it",
    )
