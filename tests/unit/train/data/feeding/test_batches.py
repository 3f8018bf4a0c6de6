"""Changes made on the device are those that numpy would make, byte for byte, in any division."""

from typing import Any

import numpy as np
import pytest
import torch

from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches, Variation, pixels
from embedge.train.data.feeding.feed import feed, share_with


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 112, 112, 3)).astype(np.uint8)


def by_numpy(images: np.ndarray, seed: int) -> np.ndarray:
    """The same draws, picture by picture, on the host."""
    rng = np.random.default_rng(seed)
    count = len(images)
    flipped = rng.random(count) < 0.5
    moves = rng.integers(0, 7, (count, 2))
    gain, shift = rng.uniform(0.85, 1.15, count), rng.uniform(-15, 15, count)
    made = []
    for row, picture in enumerate(images):
        picture = picture[:, ::-1] if flipped[row] else picture
        padded = np.pad(picture, ((3, 3), (3, 3), (0, 0)), mode="edge")
        y, x = moves[row]
        picture = padded[y : y + 112, x : x + 112]
        relit = picture * np.float32(gain[row]) + np.float32(shift[row])
        made.append(np.clip(relit, 0, 255).astype(np.uint8))
    return np.stack(made)


def test_as_numpy_would(images: np.ndarray) -> None:
    drawn = Variation.drawn(np.random.default_rng(4), len(images), flip=True, jitter=True)
    made = drawn.of(torch.from_numpy(images)).to(torch.uint8).numpy()
    assert np.array_equal(made, by_numpy(images, 4))


def test_untouched_without_flip_and_jitter(images: np.ndarray) -> None:
    drawn = Variation.drawn(np.random.default_rng(4), len(images), flip=False, jitter=False)
    assert torch.equal(drawn.of(torch.from_numpy(images)), torch.from_numpy(images))


def test_pixels_leave_the_picture_alone(images: np.ndarray) -> None:
    kept = images.copy()
    fed = pixels(torch.from_numpy(images).float())
    assert np.array_equal(images, kept)
    assert fed.shape == (9, 3, 112, 112)
    assert float(fed.min()) >= -1
    assert torch.equal(fed, pixels(images))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_decode_each_picture_once_and_make_the_whole_batch(
    images: np.ndarray, world: int
) -> None:
    labels = np.repeat(np.arange(3), 3)
    faces = FaceSet("f", images, labels, tuple("abc"), "f")
    whole = Batches(faces, 8, 5, flip=True).at(3)
    layout = torch.contiguous_format
    reads, parts = [], []
    for rank in range(world):
        spied: Any = Spied(faces)
        mine = share_with(Batches(spied, 8, 5, flip=True), rank, world)
        parts.append(mine.at(3))
        reads += spied.rows
    assert sorted(reads) == sorted(whole.index.tolist())
    cpu = torch.device("cpu")
    joined = torch.cat([part.on(cpu, layout) for part in parts])
    assert torch.equal(joined, whole.on(cpu, layout))
    assert torch.cat([part.labels for part in parts]).tolist() == whole.labels.tolist()


class Spied:
    """A face set that remembers what was read of it."""

    def __init__(self, faces: FaceSet) -> None:
        self._faces = faces
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._faces, name)

    def __len__(self) -> int:
        return len(self._faces)

    def read(self, index: int) -> np.ndarray:
        self.rows.append(int(index))
        return self._faces.read(index)


def test_what_is_made_whole_is_shared_out_too(images: np.ndarray) -> None:
    labels = np.repeat(np.arange(3), 3)
    whole = Batches(FaceSet("f", images, labels, tuple("abc"), "f"), 8, 5)

    class Rows:
        seed = 5

        def at(self, step: int) -> Batch:
            return whole.at(step)

    parts = [share_with(Rows(), rank, 2).at(1).index for rank in range(2)]
    assert torch.equal(torch.cat(parts), whole.at(1).index)


def test_prefetched_batches_are_bounded_in_bytes(images: np.ndarray) -> None:
    from embedge.train.data.feeding.feed import ahead_of

    faces = FaceSet("f", images, np.zeros(9, np.int64), ("a",), "f")
    assert ahead_of(64, 2) == 4
    assert ahead_of(4096, 8) == 1
    assert list(feed(Batches(faces, 4, 0), 0, 2, workers=0, say=print))


def test_for_a_gpu_bytes_and_labels_wait_where_it_can_fetch_them(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = []

    def noted(self: torch.Tensor) -> torch.Tensor:
        pinned.append((self.dtype, len(self)))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", noted)
    batches = Batches(FaceSet("f", images, np.repeat(np.arange(3), 3), tuple("abc"), "f"), 4, 0)
    for pin, kinds in ((False, []), (True, [(torch.uint8, 4), (torch.int64, 4)])):
        list(feed(batches, 0, 1, workers=0, say=print, pin=pin))
        assert pinned == kinds
