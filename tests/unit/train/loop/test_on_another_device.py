"""The whole loop on a device that is not the CPU: nothing is mixed, nobody waits needlessly."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import switched_off
from pretend_device import PRETEND, asked_in_steps, transfers, waits
from safetensors.torch import load_file
from torch.nn.functional import normalize

from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.distil import CachedTeacher
from embedge.train.head.margins import Margin
from embedge.train.loop import training
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.models.mobilefacenet import mobilefacenet
from embedge.train.seeds import seeded
from embedge.train.teachers.making.shape import shaped_map

STEPS, BATCH, PEOPLE, DIM = 12, 8, 6, 16
SCHEDULE = Schedule(
    steps=STEPS, batch=BATCH, lr=1e-3, warmup=0, amp="fp32", ema=0.9, checkpoint_every=5
)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(PEOPLE), 4)
    images = rng.integers(0, 256, (len(labels), 112, 112, 3)).astype(np.uint8)
    return FaceSet("patches", images, labels, tuple(map(str, range(PEOPLE))), "f")


class Killed(Exception):
    pass


class KilledAt(Batches):
    def at(self, step: int) -> Batch:
        if step == 4:
            raise Killed
        return Batches.at(self, step)


def trained(
    faces: FaceSet,
    folder: Path,
    device: str | torch.device,
    monkeypatch: pytest.MonkeyPatch,
    *,
    method: str = "th-kd",
    source: type[Batches] = Batches,
    checks: Any = None,
    schedule: Schedule = SCHEDULE,
    quality: float = 0.0,
) -> tuple[dict[str, torch.Tensor], Any]:
    monkeypatch.setattr(training, "device_of", lambda schedule: torch.device(device))
    with seeded(1):
        rows, head = torch.randn(len(faces), DIM), normalize(torch.randn(PEOPLE, DIM))
        network = mobilefacenet(DIM, scale=1, width=0.125)
        margin = Margin(m2=0.2, scale=16.0, quality=quality)
        weights = Weights(a=0.5, beta=1.0, temperature=2.0)
        chosen = method_named(method, Ingredients(PEOPLE, DIM, head, margin, weights))
    log = training.fit(
        "s",
        network,
        chosen,
        source(faces, BATCH, 5, flip=True),
        schedule,
        folder=folder,
        progress=Progress(quiet=True),
        teacher=(lambda batch: rows[batch.index]) if chosen.needs_teacher else None,
        checks=checks,
    )
    return {name: value.cpu() for name, value in network.state_dict().items()}, log


def agree(log: dict[str, Any], other: dict[str, Any]) -> None:
    """Its kernels add up in another order."""
    assert log.keys() == other.keys()
    for name, values in log.items():
        if name != "watch":
            assert values == pytest.approx(other[name], rel=5e-4, abs=3e-4), name


METHODS = ["scratch", "kd", "l2e", "rkd", "proxyless", "th-kd", "gkd", "adadistill"]


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_there_what_it_learns_here(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(training, "_RECORDED_EVERY", 1)
    # AdamW's first steps are of one length, whichever way rounding turned a gradient of nothing
    few = SCHEDULE.model_copy(update={"steps": 3, "optimizer": "sgd"})
    with switched_off():  # kernels of the CPU alone add up in another order
        here = trained(faces, tmp_path / "cpu", "cpu", monkeypatch, method=method, schedule=few)
    there = trained(faces, tmp_path / "far", PRETEND, monkeypatch, method=method, schedule=few)
    agree(here[1], there[1])
    for name, value in here[0].items():
        torch.testing.assert_close(there[0][name], value, rtol=5e-3, atol=5e-4)


def test_the_host_waits_for_figures_alone(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits.clear()
    transfers.clear()
    trained(faces, tmp_path, PRETEND, monkeypatch)
    assert sum(waits.values()) == 0
    pictures = STEPS * BATCH * 112 * 112 * 3
    parameters = 1_500_000
    assert pictures <= transfers["to the device"] <= pictures + parameters, "bytes, not floats"


def test_all_of_a_batch_waits_where_a_gpu_can_fetch_it(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert training._fetches(torch.device("cuda", 1))
    assert not training._fetches(torch.device("cpu"))
    pinned = Counter[torch.dtype]()

    def noted(self: torch.Tensor) -> torch.Tensor:
        pinned[self.dtype] += self.nbytes
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", noted)
    trained(faces, tmp_path / "here", "cpu", monkeypatch)
    assert not pinned
    monkeypatch.setattr(training, "_fetches", lambda device: device == PRETEND)
    trained(faces, tmp_path / "there", PRETEND, monkeypatch)
    pictures, targets = BATCH * 112 * 112 * 3, BATCH * DIM * 4
    assert pinned[torch.uint8] == STEPS * pictures
    assert pinned[torch.float32] == STEPS * targets, "what the teacher said of them"
    assert pinned[torch.int64] >= STEPS * BATCH * 8, "labels"


# pictures, which are mirrored, how they move, their light, and labels
CROSSING = 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("quality", [0.0, 0.4])
def test_a_step_of_no_method_asks_the_device(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, quality: float
) -> None:
    """Pictures and what is known of them go there; figures come back together, when it is time."""
    monkeypatch.setattr(training, "_RECORDED_EVERY", 2)
    few = SCHEDULE.model_copy(update={"steps": 3, "checkpoint_every": 9})
    steps = asked_in_steps(monkeypatch)
    trained(*(faces, tmp_path, PRETEND, monkeypatch), method=method, schedule=few, quality=quality)
    quiet = {"to the device": CROSSING + (method not in ("scratch", "proxyless"))}
    assert steps[:2] == [quiet, {**quiet, "to the host": 1}]


PLANTED = {
    "a copy": lambda loss, _: loss.cpu(),
    "a copy to what is there": lambda loss, _: torch.zeros(()).copy_(loss),
    "an item": lambda loss, _: loss.item(),
    "a number": lambda loss, _: float(loss),
    "a question": lambda loss, _: bool(loss > 1e9),
    "places": lambda _, labels: (labels.to(PRETEND) == 1).nonzero(),
    "how many of each": lambda _, labels: labels.to(PRETEND).bincount(),
    "one for each": lambda _, labels: labels.to(PRETEND).repeat_interleave(labels.to(PRETEND)),
    "one that goes there": lambda loss, _: torch.tensor(1.0).to(PRETEND),
}


def test_what_a_step_should_not_ask_is_noticed(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thing is planted in each step but the first, which shows what a quiet one is."""
    find, coming = training._Training._loss, iter([lambda *_: None, *PLANTED.values()])

    def asking(self: Any, batch: Batch) -> Any:
        loss = find(self, batch)
        next(coming)(loss.total.detach(), batch.labels)
        return loss

    monkeypatch.setattr(training._Training, "_loss", asking)
    monkeypatch.setattr(training, "_RECORDED_EVERY", 99)
    few = SCHEDULE.model_copy(update={"steps": 1 + len(PLANTED), "checkpoint_every": 99})
    steps = asked_in_steps(monkeypatch)
    monkeypatch.setattr(training._Training, "_save", lambda self: None)
    trained(faces, tmp_path, PRETEND, monkeypatch, schedule=few)
    quiet, *others = steps
    assert quiet == {"to the device": CROSSING + 1}
    for name, found in zip(PLANTED, others, strict=True):
        assert found != quiet, name


def test_killed_with_an_average_it_resumes_there(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = SCHEDULE.model_copy(update={"steps": 6, "checkpoint_every": 3})
    whole, log = trained(faces, tmp_path / "whole", PRETEND, monkeypatch, schedule=few)
    with pytest.raises(Killed):
        trained(faces, tmp_path / "again", PRETEND, monkeypatch, schedule=few, source=KilledAt)
    again, again_log = trained(faces, tmp_path / "again", PRETEND, monkeypatch, schedule=few)
    assert log == again_log
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_watched_there_it_keeps_the_same_best(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = TrainingChecks(faces, None, every=4)
    there, log = trained(faces, tmp_path, PRETEND, monkeypatch, checks=checks)
    best = load_file(tmp_path / "s.best.safetensors")
    assert log["watch"]["step"] == [4, 8, 12]
    assert all(torch.equal(best[name], there[name]) for name in there)


def test_a_map_that_was_shaped_there_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "device_of", lambda schedule: PRETEND)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(24, DIM)).astype(np.float16)
    with seeded(1):
        frozen = Ingredients.of_frozen_head(normalize(torch.randn(PEOPLE, 4)), Margin(m2=0.2))
    matrix, _ = shaped_map(
        *(CachedTeacher(rows), frozen, np.arange(24) % PEOPLE, SCHEDULE),
        seed=1,
        folder=tmp_path,
        progress=Progress(quiet=True),
    )
    assert matrix.numpy().shape == (4, DIM)


def test_a_mixture_of_devices_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, device=PRETEND) + torch.ones(3)
