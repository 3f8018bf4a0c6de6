import json

import numpy as np
import pytest

from embedge.progress import Progress
from embedge.train.data.face_set import FaceSet
from embedge.train.models.cost import NetworkCost
from embedge.train.teachers import Teacher
from embedge.train.teachers.cache import write_cache

SILENT = Progress(quiet=True)


class Counting(Teacher):
    """Mean colours; remembers how many pictures it was shown and fails after some."""

    kind, digest, dim = "counting", "d", 3

    def __init__(self, fails_after=10**9):
        self.shown, self.fails_after = 0, fails_after

    def features(self, images):
        if self.shown >= self.fails_after:
            raise KeyboardInterrupt
        self.shown += len(images)
        return images[:, :, :5].mean((1, 2), dtype=np.float32)

    def cost(self):
        return NetworkCost(0, macs=None)


@pytest.fixture(scope="module")
def faces():
    images = np.random.default_rng(0).integers(0, 255, (3000, 8, 8, 3)).astype(np.uint8)
    return FaceSet("noise", images, np.arange(3000), tuple(map(str, range(3000))), "f")


@pytest.mark.parametrize("flip", [False, True])
def test_a_stopped_cache_goes_on_where_it_was(faces, tmp_path, flip):
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(2500), faces, flip=flip, progress=SILENT)
    done = json.loads(path.with_suffix(".json").read_text())["rows"]
    assert 0 < done < 3000
    second = Counting()
    write_cache(path, second, faces, flip=flip, progress=SILENT)
    assert second.shown == 3000 - done
    images = faces.images[:, :, ::-1] if flip else faces.images
    expected = Counting().features(images).astype(np.float16)
    found = np.load(path, mmap_mode="r")
    assert found.dtype == np.float16
    assert np.array_equal(found, expected)
