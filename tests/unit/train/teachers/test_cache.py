import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, local
from time import sleep
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
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

    def __init__(self, fails_after: int = 10**9, seconds: float = 0.0) -> None:
        self.fails_after, self.seconds = fails_after, seconds
        self.asked: list[int] = []

    @property
    def shown(self) -> int:
        return sum(self.asked)

    def features(self, images: np.ndarray) -> np.ndarray:
        if self.shown >= self.fails_after:
            raise KeyboardInterrupt
        self.asked.append(len(images))
        sleep(self.seconds)
        return images[:, :, :5].mean((1, 2), dtype=np.float32)

    def cost(self) -> NetworkCost:
        return NetworkCost(0, macs=None)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    images = np.random.default_rng(0).integers(0, 255, (3000, 1, 1, 3)).astype(np.uint8)
    images = np.broadcast_to(images, (3000, 112, 112, 3))
    return FaceSet("noise", images, np.arange(3000), tuple(map(str, range(3000))), "f")


@pytest.mark.parametrize("flip", [False, True])
def test_a_stopped_cache_goes_on_where_it_was(faces: FaceSet, tmp_path: Path, flip: bool) -> None:
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(2500), faces, flip=flip, progress=SILENT)
    ((first, done),) = json.loads(path.with_suffix(".rows-0.json").read_text())["rows"]
    assert (first, done) == (0, 2048)
    second = Counting()
    write_cache(path, second, faces, flip=flip, progress=SILENT)
    assert second.shown == 3000 - done
    images = faces.images[:, :, ::-1] if flip else faces.images
    expected = Counting().features(images).astype(np.float16)
    found = np.load(path, mmap_mode="r")
    assert found.dtype == np.float16
    assert np.array_equal(found, expected)


def together(monkeypatch: pytest.MonkeyPatch, world: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(rank)` gave on each of so many ranks: threads that wait for one another."""
    mine, met, told = local(), Barrier(world, timeout=60), {}

    def agreed(ask: Callable[[], Any]) -> Any:
        met.wait()
        if mine.rank == 0:
            told[0] = ask()
        met.wait()
        return told[0]

    monkeypatch.setattr(ranks, "rank", lambda: mine.rank)
    monkeypatch.setattr(ranks, "world", lambda: world)
    monkeypatch.setattr(ranks, "barrier", met.wait)
    monkeypatch.setattr(ranks, "agreed", agreed)

    def of(rank: int) -> Any:
        mine.rank = rank
        return work(rank)

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(of, range(world)))


def test_ranks_fill_one_array_between_them(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "rows.npy", Counting().features(faces.images).astype(np.float16)

    def filled(rank: int) -> tuple[int, bool]:
        teacher = Counting(seconds=0.05 * rank)
        write_cache(path, teacher, faces, flip=False, progress=SILENT)
        return teacher.shown, np.array_equal(np.load(path), whole)

    assert together(monkeypatch, 3, filled) == [(1000, True)] * 3


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2), (2, 1)])
def test_a_stopped_cache_goes_on_with_another_number_of_ranks(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    path = tmp_path / "rows.npy"
    monkeypatch.setattr(cache, "_BATCHES_BETWEEN_MARKS", 4)

    def stopped(rank: int) -> None:
        with pytest.raises(KeyboardInterrupt):
            write_cache(path, Counting(640), faces, flip=False, progress=SILENT)

    def filled(rank: int) -> int:
        teacher = Counting()
        write_cache(path, teacher, faces, flip=False, progress=SILENT)
        return teacher.shown

    together(monkeypatch, before, stopped)
    left = 3000 - before * 512  # of ten batches before it stopped, eight were marked
    shown = together(monkeypatch, after, filled)
    assert (sum(shown), max(shown) - min(shown) <= 1) == (left, True)
    assert np.array_equal(np.load(path), Counting().features(faces.images).astype(np.float16))
    assert together(monkeypatch, after, filled) == [0] * after


def test_it_is_asked_about_as_many_at_a_time_as_was_said(faces: FaceSet, tmp_path: Path) -> None:
    teacher = Counting().placed(Placement(batch=700))
    write_cache(tmp_path / "rows.npy", teacher, faces, flip=False, progress=SILENT)
    assert teacher.asked == [700, 700, 700, 700, 200]


def test_worker_processes_read_ahead_for_a_teacher_on_a_gpu(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process would decode what eight GPUs wait for; order and answers stay the same."""
    asked = []

    def noted(source: Any, first: int, last: int, *, workers: int, rows: int) -> Any:
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


def test_a_teacher_on_another_device_answers_the_same(tmp_path: Path) -> None:
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


def test_in_half_precision_it_answers_nearly_the_same() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3)).astype(np.uint8)
    full = open_teacher(SHIPPED).features(images)
    half = open_teacher(SHIPPED).placed(Placement(amp="bf16")).features(images)
    assert half.dtype == np.float32
    assert not np.array_equal(half, full)
    cosines = (half * full).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(full, axis=1)
    assert cosines.min() > 0.99


def test_a_teacher_that_only_runs_here_says_so() -> None:
    with pytest.raises(EmbedgeError, match=r"E-NO-GPU.*counting"):
        Counting().placed(Placement("cuda"))


def test_a_teacher_of_days_says_so_after_its_first_batch(
    faces: FaceSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By a clock of its own: 47 batches of a minute; then the 15 that were left."""
    teacher, told = Counting(2500), Progress()
    monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=lambda: 60.0 * len(teacher.asked)))
    with pytest.raises(KeyboardInterrupt):
        write_cache(tmp_path / "long.npy", teacher, faces, flip=False, progress=told)
    expected = "about {} on this processor, by its first batch; teacher.device cuda"
    assert expected.format("47 min") in capsys.readouterr().err
    teacher = Counting()
    write_cache(tmp_path / "long.npy", teacher, faces, flip=False, progress=told)
    assert expected.format("15 min") in capsys.readouterr().err

    teacher, few = Counting(), Subset(faces, np.arange(640), "few")
    write_cache(tmp_path / "short.npy", teacher, few, flip=False, progress=told)
    assert "about" not in capsys.readouterr().err, "ten minutes are no surprise"


class Answering(Counting):
    """Something else from the 700th picture on."""

    def __init__(self, answer: float) -> None:
        super().__init__()
        self.answer = answer

    def features(self, images: np.ndarray) -> np.ndarray:
        rows = super().features(images)
        rows[max(0, 700 - self.shown + len(images)) :] = self.answer
        return rows


@pytest.mark.parametrize("answer", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("flip", [False, True])
def test_an_answer_without_a_direction_is_told_at_its_batch(
    faces: FaceSet, tmp_path: Path, answer: float, flip: bool
) -> None:
    teacher, path = Answering(answer), tmp_path / "rows.npy"
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ANSWER.*counting") as told:
        write_cache(path, teacher, faces, flip=flip, progress=SILENT)
    assert told.value.where == "; ".join(map(faces.record_name, (700, 701, 702, 703)))
    assert teacher.shown == 704, "not a batch more"
    assert not [*tmp_path.glob("*.json")], "nothing is marked as done"
    with pytest.raises(EmbedgeError, match="E-TEACHER-ANSWER"):
        Answering(answer).embed(Subset(faces, np.arange(800), "few"), what="", progress=SILENT)


def test_zeros_are_kept_for_those_who_leave_them_out(faces: FaceSet, tmp_path: Path) -> None:
    few, path = Subset(faces, np.arange(800), "few"), tmp_path / "rows.npy"
    write_cache(path, Answering(0.0), few, flip=False, progress=SILENT, zeros=True)
    assert np.flatnonzero(~np.load(path).any(1)).tolist() == list(range(700, 800))
    other = tmp_path / "other.npy"
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-ANSWER.*NaN"):
        write_cache(other, Answering(np.nan), few, flip=False, progress=SILENT, zeros=True)


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1.0, 1e6, 1e30])
def test_directions_survive_half_precision_whatever_the_lengths(
    faces: FaceSet, tmp_path: Path, scale: float
) -> None:
    few, teacher = Subset(faces, np.arange(200), "few"), Counting()
    truth = teacher.features(few.images[:])
    teacher.features = lambda images: (  # type: ignore[method-assign]
        Counting().features(images) * np.float32(scale)
    )
    write_cache(tmp_path / "rows.npy", teacher, few, flip=False, progress=SILENT)
    found = np.load(tmp_path / "rows.npy").astype(np.float64)
    assert (unit_rows(found) * unit_rows(truth.astype(np.float64))).sum(1).min() > 1 - 1e-6
    if scale == 1:
        assert np.array_equal(found, truth.astype(np.float16)), "to the last digit"


def test_marks_of_an_array_that_is_gone_say_nothing(faces: FaceSet, tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(2500), faces, flip=False, progress=SILENT)
    path.unlink()
    again = Counting()
    write_cache(path, again, faces, flip=False, progress=SILENT)
    assert again.shown == 3000


def test_an_array_has_all_its_room_before_the_teacher_is_asked(
    faces: FaceSet, tmp_path: Path
) -> None:
    """A disk that fills up later would end the process without a word."""
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt):
        write_cache(path, Counting(64), faces, flip=False, progress=SILENT)
    assert path.stat().st_blocks * 512 >= path.stat().st_size
