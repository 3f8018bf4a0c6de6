"""Training on a GPU: it learns what the CPU learns, resumes, waits for nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.head.margins import Margin
from embedge.train.head.passes import read_head
from embedge.train.loop.curves import Curves
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.models.mobilefacenet import mobilefacenet
from embedge.train.seeds import seeded
from embedge.train.teachers import SHIPPED, open_teacher
from embedge.train.teachers.teacher import Placement

PEOPLE, EACH, BATCH, DIM, STEPS = 6, 4, 8, 16, 8
PLAIN = Schedule(steps=STEPS, batch=BATCH, lr=1e-3, warmup=0, amp="fp32", jitter=False)


@pytest.fixture(scope="module")
def device() -> str:
    """The fakes of the driver compute nothing: there these tests show that they can run."""
    if "FAKE_TENSORRT" in os.environ:
        return "cpu"
    assert torch.cuda.is_available(), "this torch sees no GPU"
    return "cuda"


class _Stopped(Exception):
    pass


class Teacher:
    """Answers once a step; stops the training at a step, or forbids waiting from one to another."""

    def __init__(self, *, stop: int = STEPS, free: range = range(0), device: str = "cpu") -> None:
        with seeded(2):
            self.rows = torch.randn(PEOPLE * EACH, DIM)
        self.stop, self.free, self.device, self.step = stop, free, device, 0

    def __call__(self, batch: Batch) -> Tensor:
        if self.step == self.stop:
            raise _Stopped
        if self.device == "cuda":
            torch.cuda.set_sync_debug_mode("error" if self.step in self.free else "default")
        self.step += 1
        return self.rows[batch.index]


def learnt(
    folder: Path, device: str, teacher: Teacher, **changes: object
) -> tuple[dict[str, Tensor], Curves]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = rng.integers(0, 256, (len(labels), 112, 112, 3)).astype(np.uint8)
    faces = FaceSet("patches", images, labels, tuple(map(str, range(PEOPLE))), "f")
    with seeded(1):
        head = normalize(torch.randn(PEOPLE, DIM))
        network = mobilefacenet(DIM, scale=1, width=0.125)
        weights = Weights(a=0.5, beta=1.0)
        method = method_named(
            "th-kd", Ingredients(PEOPLE, DIM, head, Margin(m2=0.2, scale=16.0), weights)
        )
    schedule = PLAIN.model_copy(update={"device": device, **changes})
    log = fit(
        "s",
        network,
        method,
        Batches(faces, BATCH, 5, flip=True, jitter=False),
        schedule,
        folder=folder,
        progress=Progress(quiet=True),
        teacher=teacher,
    )
    return {name: value.cpu() for name, value in network.state_dict().items()}, log


@contextmanager
def without_tf32() -> Iterator[None]:
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_it_learns_what_the_cpu_learns(
    tmp_path: Path, device: str, optimizer: str, seen: dict[str, object]
) -> None:
    few = {"steps": 4, "optimizer": optimizer, "weight_decay": 1e-3}
    with without_tf32():
        there, log = learnt(tmp_path / "there", device, Teacher(), **few)
    here, expected = learnt(tmp_path / "here", "cpu", Teacher(), **few)
    assert log["loss"] == pytest.approx(expected["loss"], rel=1e-2)
    seen[f"training {optimizer}, largest difference of weights"] = max(
        float((there[name].double() - here[name].double()).abs().max()) for name in here
    )


def test_stopped_with_an_average_it_resumes_there(tmp_path: Path, device: str) -> None:
    more = {"ema": 0.9, "checkpoint_every": 3}
    whole, log = learnt(tmp_path / "whole", device, Teacher(), **more)
    with pytest.raises(_Stopped):
        learnt(tmp_path / "again", device, Teacher(stop=4), **more)
    again, again_log = learnt(tmp_path / "again", device, Teacher(), **more)
    assert again_log["loss"] == pytest.approx(log["loss"], rel=1e-3)
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("amp", ["fp32", "bf16"])
def test_the_host_never_waits_for_a_step(tmp_path: Path, device: str, amp: str) -> None:
    """torch raises where an operation waits; figures are read at the last step alone."""
    try:
        free = Teacher(free=range(2, STEPS - 2), device=device)
        _, log = learnt(tmp_path, device, free, amp=amp, ema=0.9, checkpoint_every=10**9)
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    assert np.isfinite(log["loss"]).all()


def test_fp16_scales_its_loss_and_learns(tmp_path: Path, device: str) -> None:
    steps = 30 if device == "cuda" else 20
    _, log = learnt(tmp_path, device, Teacher(stop=steps), amp="fp16", steps=steps)
    assert log["loss"][-1] < log["loss"][0]


@pytest.mark.parametrize("amp", ["fp32", "bf16", "fp16"])
def test_a_teacher_there_answers_as_here(device: str, faces: np.ndarray, amp: str) -> None:
    here = torch.from_numpy(open_teacher(SHIPPED).features(faces))
    there = open_teacher(SHIPPED).placed(Placement(device, amp, batch=4))  # type: ignore[arg-type]
    near = cosine_similarity(here, torch.from_numpy(there.features(faces)))
    assert near.min() > {"fp32": 0.9999, "bf16": 0.995, "fp16": 0.999}[amp]


def test_kept_and_streamed_heads_agree_there(device: str) -> None:
    draw = torch.Generator().manual_seed(0)
    head = normalize(torch.randn(5003, 128, generator=draw)).bfloat16().to(device)
    labels = torch.randint(5003, (64,), generator=draw)
    noise = torch.randn(64, 128, generator=draw) / 128**0.5
    start, gradients = (head.cpu()[labels].float() + noise).to(device), []
    for budget in (1 << 12, 0):
        leaf = start.clone().requires_grad_()
        loss = read_head(leaf, head, budget).ce(labels.to(device), Margin(m2=0.5)).mean()
        gradients.append(torch.autograd.grad(loss, leaf)[0])
    error = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert error < 2e-2
