import json

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.feed import made_ahead
from embedge.train.data.splits import Subset
from embedge.train.loop import ranks
from embedge.train.models.cost import NetworkCost
from embedge.train.teachers import SHIPPED, Teacher, cache, open_teacher
from embedge.train.teachers.cache import write_cache
from embedge.train.teachers.teacher import Placement

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
    images = np.random.default_rng(0).integers(0, 255, (3000, 1, 1, 3)).astype(np.uint8)
    images = np.broadcast_to(images, (3000, 112, 112, 3))
    return FaceSet("noise", images, np.arange(3000), tuple(map(str, range(3000))), "f")


@pytest.mark.parametrize("flip", [False, True])
def test_a_stopped_cache_goes_on_where_it_was(faces, tmp_path, flip):
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(2500), faces, flip=flip, progress=SILENT)
    done = json.loads(path.with_suffix(".0-of-1.json").read_text())["rows"]
    assert 0 < done < 3000
    second = Counting()
    write_cache(path, second, faces, flip=flip, progress=SILENT)
    assert second.shown == 3000 - done
    images = faces.images[:, :, ::-1] if flip else faces.images
    expected = Counting().features(images).astype(np.float16)
    found = np.load(path, mmap_mode="r")
    assert found.dtype == np.float16
    assert np.array_equal(found, expected)


def test_ranks_fill_one_array_between_them(faces, tmp_path, monkeypatch):
    """One after the other here: what each is asked is its own share, and nothing else."""
    path, shown = tmp_path / "rows.npy", []
    for rank in range(3):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(ranks, "world", lambda: 3)
        monkeypatch.setattr(ranks, "barrier", lambda: None)
        monkeypatch.setattr(ranks, "agreed", lambda work: work())
        teacher = Counting()
        write_cache(path, teacher, faces, flip=False, progress=SILENT)
        shown.append(teacher.shown)
    assert shown == [1000, 1000, 1000]
    assert np.array_equal(np.load(path), Counting().features(faces.images).astype(np.float16))


def test_worker_processes_read_ahead_for_a_teacher_on_a_gpu(faces, tmp_path, monkeypatch):
    """One process would decode what eight GPUs wait for; order and answers stay the same."""
    asked = []

    def noted(source, first, last, *, workers, rows):
        asked.append(workers)
        return made_ahead(source, first, last, workers=min(workers, 2), rows=rows)

    monkeypatch.setattr(cache, "made_ahead", noted)
    monkeypatch.setattr(cache, "cores", lambda: 16)
    few = Subset(faces, np.arange(200), "few")
    for device in ("cpu", "cuda"):
        teacher = Counting()
        teacher.device = device
        write_cache(tmp_path / f"{device}.npy", teacher, few, flip=True, progress=SILENT)
    assert asked == [0, 15]
    assert np.array_equal(np.load(tmp_path / "cpu.npy"), np.load(tmp_path / "cuda.npy"))


def test_a_teacher_on_another_device_answers_the_same(tmp_path):
    from pretend_device import PRETEND, crossings, transfers, waits

    images = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3)).astype(np.uint8)
    here, there = open_teacher(SHIPPED), open_teacher(SHIPPED)
    there.placed(Placement(str(PRETEND), batch=3))
    assert there.batch == 3
    for counted in (crossings, transfers, waits):
        counted.clear()
    rows = there.features(images)
    assert crossings == {"to the device": 1, "to the host": 1}
    assert transfers == {"to the device": images.nbytes, "to the host": rows.nbytes}
    assert not waits
    np.testing.assert_allclose(rows, here.features(images), atol=1e-4)


def test_in_half_precision_it_answers_nearly_the_same():
    images = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3)).astype(np.uint8)
    full = open_teacher(SHIPPED).features(images)
    half = open_teacher(SHIPPED).placed(Placement(amp="bf16")).features(images)
    assert half.dtype == np.float32
    assert not np.array_equal(half, full)
    cosines = (half * full).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(full, axis=1)
    assert cosines.min() > 0.99


def test_a_teacher_that_only_runs_here_says_so():
    with pytest.raises(EmbedgeError, match=r"E-NO-GPU.*counting"):
        Counting().placed(Placement("cuda"))


def test_a_teacher_of_days_says_so_after_its_first_batch(faces, tmp_path, monkeypatch, capsys):
    told = Progress()
    write_cache(tmp_path / "short.npy", Counting(), faces, flip=False, progress=told)
    assert "about" not in capsys.readouterr().err
    monkeypatch.setattr(cache, "_LONG", 0.0)
    write_cache(tmp_path / "long.npy", Counting(), faces, flip=False, progress=told)
    assert "s on this processor, by its first batch; teacher.device cuda" in capsys.readouterr().err


def test_marks_of_an_array_that_is_gone_say_nothing(faces, tmp_path):
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(2500), faces, flip=False, progress=SILENT)
    path.unlink()
    again = Counting()
    write_cache(path, again, faces, flip=False, progress=SILENT)
    assert again.shown == 3000
