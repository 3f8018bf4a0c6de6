"""Every fake here answers as OpenCV's VideoCapture does; the real one is in tests/integration."""

import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.camera.frames import live_frames, opened_frames, recorded_frames


class FakeCapture:
    """Frames whose blue channel is their number, red is 9."""

    def __init__(self, count: int, *, pause: float = 0.0, channels: int = 3) -> None:
        self.count, self.pause, self.channels = count, pause, channels
        self.number, self.released = 0, False

    def isOpened(self) -> bool:  # noqa: N802
        return self.count > 0

    def set(self, number: int, value: float) -> bool:
        return True

    def get(self, number: int) -> float:
        return 10.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(self.pause)
        if self.number >= self.count:
            return False, None
        frame = np.zeros((4, 6, self.channels), np.uint8)
        frame[..., 0] = self.number
        frame[..., -1] = 9 if self.channels == 3 else self.number
        self.number += 1
        return True, frame

    def release(self) -> None:
        self.released = True


def test_a_recording_is_read_to_its_end_in_its_own_time() -> None:
    capture = FakeCapture(7)
    frames = list(recorded_frames(capture, 10.0, every=3))
    assert [frame.time for frame in frames] == [0.0, 0.3, 0.6]
    assert [frame.image[0, 0].tolist() for frame in frames] == [[9, 0, n] for n in (0, 3, 6)]
    assert capture.released


def test_a_grey_camera() -> None:
    (frame,) = recorded_frames(FakeCapture(1, channels=1), 10.0)
    assert frame.image.shape == (4, 6, 3)


def test_live_frames_are_the_newest() -> None:
    capture = FakeCapture(1000, pause=0.002)
    frames: Any = live_frames(capture, "0")
    first = next(frames)
    time.sleep(0.1)
    second = next(frames)
    assert int(second.image[0, 0, 2]) - int(first.image[0, 0, 2]) > 10  # those between are gone
    assert second.time > first.time
    frames.close()
    assert capture.released
    assert not any(thread.name == "camera" for thread in threading.enumerate())


def test_a_camera_that_goes_away_or_hangs_is_an_error() -> None:
    frames = live_frames(FakeCapture(1), "rtsp://door")
    next(frames)
    with pytest.raises(EmbedgeError, match=r"E-CAMERA.*rtsp://door"):
        next(frames)
    slow = live_frames(FakeCapture(9, pause=0.5), "0", patience=0.05)
    with pytest.raises(EmbedgeError, match=r"no frame came for 0\.05"):
        next(slow)


@pytest.fixture
def cv2(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("cv2")
    module.opened = []  # type: ignore[attr-defined]

    def capture(where: object) -> FakeCapture:
        module.opened.append(where)  # type: ignore[attr-defined]
        return FakeCapture(0 if where == 3 else 2)

    module.VideoCapture = capture  # type: ignore[attr-defined]
    module.CAP_PROP_BUFFERSIZE, module.CAP_PROP_FPS = 38, 5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", module)
    return module


def test_what_a_source_is(cv2: types.ModuleType, tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"")
    assert [frame.time for frame in opened_frames(str(video))] == [0.0, 0.1]
    next(opened_frames("0"))
    next(opened_frames("rtsp://door/1"))
    assert cv2.opened == [str(video), 0, "rtsp://door/1"]
    for source in ("3", str(tmp_path / "absent.mp4")):
        with pytest.raises(EmbedgeError, match="E-CAMERA"):
            opened_frames(source)


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(EmbedgeError, match=r"E-EXTRA.*pip install 'embedge\[camera\]'"):
        opened_frames("0")
