import numpy as np
import pytest

from embedge.calibration.evaluation.faces import CorruptRecord, some_of
from embedge.calibration.evaluation.integrity import channel_faults
from embedge.train.render import FaceRenderer


@pytest.fixture(scope="module")
def faces():
    return FaceRenderer(0).render(list(range(12)), [0] * 12).images


def test_faces_in_bgr_are_told_with_how_blue_they_are(faces):
    (fault,) = channel_faults(faces[..., ::-1], 12)
    assert (fault.code, fault.severity, fault.count) == ("channel-order", "warning", 12)
    assert "median of 12" in fault.what
    assert "BGR" in fault.what


def test_faces_in_rgb_grey_faces_and_no_faces_are_not(faces):
    grey = np.repeat(faces.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    assert channel_faults(faces, 12) == channel_faults(grey, 12) == channel_faults([], 0) == []


def test_a_few_in_blue_light_are_no_fault(faces):
    some = [face[..., ::-1] if number < 5 else face for number, face in enumerate(faces)]
    assert channel_faults(some, 12) == []


def test_what_cannot_be_read_is_passed_over():
    class Odd:
        def __len__(self):
            return 100

        def read(self, index):
            if index % 2:
                raise CorruptRecord(index, str(index), "broken")
            return np.full((112, 112, 3), index, np.uint8)

    seen = [int(picture[0, 0, 0]) for picture in some_of(Odd())]
    assert seen[0] == 0
    assert 20 < len(seen) < 64
    assert all(index % 2 == 0 for index in seen)
