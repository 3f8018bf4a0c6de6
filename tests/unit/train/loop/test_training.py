from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.head.margins import Margin
from embedge.train.loop import training
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, method_named
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded

SCHEDULE = Schedule(
    steps=8,
    batch=6,
    optimizer="adamw",
    lr=1e-3,
    weight_decay=0.05,
    warmup=2,
    clip=5.0,
    amp="fp32",
    ema=0.9,
    checkpoint_every=3,
)


def changed(**changes: object) -> Schedule:
    return SCHEDULE.model_copy(update=changes)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 5)
    colours = rng.integers(0, 200, (4, 1, 1, 3))[labels]
    noise = rng.integers(0, 50, (20, 112, 112, 3))
    images = (colours + noise).astype(np.uint8)
    return FaceSet("colours", images, labels, tuple("abcd"), "f")


def trained(
    faces: FaceSet, folder: Path, schedule: Schedule, *, stop_after: int | None = None
) -> tuple[dict[str, torch.Tensor], Any]:
    with seeded(3):
        network = mobilefacenet(32, scale=1, width=0.125)
        ingredients = Ingredients.without_teacher(faces.classes, 32, Margin(m2=0.3, scale=32.0))
        method = method_named("scratch", ingredients)
    batches = Batches(faces, schedule.batch, 5, flip=True)
    if stop_after:
        batches = _Stopping(faces, schedule.batch, 5, stop_after)
    log = fit("s", network, method, batches, schedule, folder=folder, progress=Progress(quiet=True))
    return network.state_dict(), log


class _Killed(Exception):
    pass


class _Stopping(Batches):
    """Batches that end the process, as a kill would, before the given step."""

    stop_after: int

    def __init__(self, faces: FaceSet, size: int, seed: int, stop_after: int) -> None:
        super().__init__(faces, size, seed, True)
        object.__setattr__(self, "stop_after", stop_after)

    def at(self, step: int) -> Batch:
        if step == self.stop_after:
            raise _Killed
        return super().at(step)


@pytest.mark.parametrize(("optimizer", "stop_after"), [("adamw", 2), ("adamw", 7), ("sgd", 5)])
def test_a_resumed_run_ends_bit_identical(
    faces: FaceSet, tmp_path: Path, optimizer: str, stop_after: int
) -> None:
    schedule = changed(optimizer=optimizer)
    whole, log = trained(faces, tmp_path / "whole", schedule)
    with pytest.raises(_Killed):
        trained(faces, tmp_path / "cut", schedule, stop_after=stop_after)
    resumed, resumed_log = trained(faces, tmp_path / "cut", schedule)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert log == resumed_log


def test_the_loss_falls(faces: FaceSet, tmp_path: Path) -> None:
    _, log = trained(faces, tmp_path, changed(steps=60, batch=12, lr=2e-3, warmup=5))
    assert log["loss"][-1] < 0.5 * log["loss"][0]


def test_a_damaged_checkpoint_is_named(faces: FaceSet, tmp_path: Path) -> None:
    trained(faces, tmp_path, SCHEDULE)
    file = tmp_path / "s.training.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(EmbedgeError, match=r"E-CHECKPOINT.*s\.training\.safetensors"):
        trained(faces, tmp_path, SCHEDULE)


def test_every_picture_is_seen_once_an_epoch(faces: FaceSet) -> None:
    batches = Batches(faces, 5, seed=1)
    seen = torch.cat([batches.at(step).index for step in range(4)])
    assert sorted(seen.tolist()) == list(range(20))


def test_a_batch_of_several_epochs_is_whole(faces: FaceSet) -> None:
    """Twenty pictures in batches of fifty-four: each comes as often as any other, but for one."""
    seen = torch.cat([Batches(faces, 54, seed=1).at(step).index for step in range(2)])
    assert len(seen) == 108
    assert set(torch.bincount(seen).tolist()) == {5, 6}


def test_a_batch_is_a_function_of_its_step(faces: FaceSet) -> None:
    first, again = (Batches(faces, 6, 2, flip=True).at(9) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.flipped, again.flipped)


def test_training_leaves_subnormal_numbers_to_others(faces: FaceSet, tmp_path: Path) -> None:
    trained(faces, tmp_path, changed(steps=1))
    assert torch.tensor([1e-40]).mul(0.5).item() > 0


@pytest.mark.parametrize(
    ("amp", "has", "kind"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, None),
        ("bf16", False, torch.bfloat16),
        ("fp32", True, None),
    ],
)
def test_arithmetic_goes_by_what_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, amp: str, has: bool, kind: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert training._arithmetic(changed(amp=amp)) == kind
