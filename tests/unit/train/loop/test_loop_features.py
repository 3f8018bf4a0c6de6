"""What the loop offers beside its steps: parts of a batch, watching, stopping early, curves."""

import csv
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.distil import Lesson, train_student
from embedge.train.head.margins import Margin
from embedge.train.loop import checkpoint, training
from embedge.train.loop.average import Average
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, method_named
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded

SCHEDULE = Schedule(
    steps=6,
    batch=8,
    optimizer="sgd",
    lr=1e-2,
    weight_decay=0.0,
    warmup=0,
    clip=5.0,
    amp="fp32",
    ema=0.0,
    checkpoint_every=2,
)


def changed(**changes: object) -> Schedule:
    return SCHEDULE.model_copy(update=changes)


class Tiny(nn.Module):
    """Colour averages and a linear layer: no statistics over the batch."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.linear = nn.Linear(48, 16)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.linear(self.pool(x).flatten(1)))


def coloured(people: int, seed: int) -> FaceSet:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), 4)
    colours = rng.integers(0, 200, (people, 1, 1, 3))[labels]
    images = (colours + rng.integers(0, 50, (len(labels), 112, 112, 3))).astype(np.uint8)
    return FaceSet("colours", images, labels, tuple(map(str, range(people))), "f")


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return coloured(6, 0)


@pytest.fixture(scope="module")
def strangers() -> FaceSet:
    return coloured(5, 1)


def trained(
    faces: FaceSet,
    folder: Path,
    schedule: Schedule,
    *,
    dropout: float = 0.0,
    checks: Any = None,
    source: type[Batches] = Batches,
) -> tuple[dict[str, torch.Tensor], Any]:
    with seeded(3):
        network = Tiny(dropout)
        ingredients = Ingredients.without_teacher(faces.classes, 16, Margin(m2=0.2, scale=16.0))
        method = method_named("scratch", ingredients)
    log = fit(
        "s",
        network,
        method,
        source(faces, schedule.batch, 5),
        schedule,
        folder=folder,
        progress=Progress(quiet=True),
        checks=checks,
    )
    return network.state_dict(), log


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(faces: FaceSet, tmp_path: Path) -> None:
    whole, _ = trained(faces, tmp_path / "a", SCHEDULE)
    parts, _ = trained(faces, tmp_path / "b", changed(accumulate=4))
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("parts", [3, 8])
def test_a_batch_that_does_not_divide_into_twos_is_refused(
    faces: FaceSet, tmp_path: Path, parts: int
) -> None:
    with pytest.raises(EmbedgeError, match=r"E-BATCH.*8 does not divide into 1 processes"):
        trained(faces, tmp_path, changed(accumulate=parts))


@pytest.mark.parametrize("batch", [2, 15])
def test_a_batch_that_two_processes_cannot_share_is_refused(batch: int) -> None:
    with pytest.raises(EmbedgeError, match=r"E-BATCH.*multiple of 2, from 4 on"):
        changed(batch=batch).require_shares(2)


class Killed(Exception):
    pass


def killed_at(step: int) -> type[Batches]:
    class Source(Batches):
        def at(self, asked: int) -> Batch:
            if asked == step:
                raise Killed
            return Batches.at(self, asked)

    return Source


@pytest.mark.parametrize("amp", ["fp32", "fp16"])
def test_dropout_scaler_and_watch_resume_bit_identical(
    faces: FaceSet, strangers: FaceSet, tmp_path: Path, amp: str
) -> None:
    schedule = changed(amp=amp, ema=0.9)
    checks = TrainingChecks(strangers, None, every=3)
    whole, log = trained(faces, tmp_path / "a", schedule, dropout=0.3, checks=checks)
    with pytest.raises(Killed):
        trained(faces, tmp_path / "b", schedule, dropout=0.3, checks=checks, source=killed_at(5))
    again, again_log = trained(faces, tmp_path / "b", schedule, dropout=0.3, checks=checks)
    assert log == again_log
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_training_leaves_the_callers_randomness_alone(faces: FaceSet, tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    trained(faces, tmp_path, changed(steps=2), dropout=0.3)
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_is_kept_and_training_stops_when_nothing_improves(
    faces: FaceSet, strangers: FaceSet, tmp_path: Path
) -> None:
    rates = iter([0.3, 0.2, 0.25, 0.2, 0.1])
    seen = []

    class Told(TrainingChecks):
        def __call__(self, network: nn.Module) -> dict[str, float]:
            seen.append({k: v.clone() for k, v in network.state_dict().items()})
            return {"eer": next(rates)}

    schedule = changed(steps=50)
    weights, log = trained(
        faces, tmp_path, schedule, checks=Told(strangers, None, every=2, patience=2)
    )
    assert log["watch"] == {"step": [2, 4, 6, 8], "eer": [0.3, 0.2, 0.25, 0.2]}
    assert all(torch.equal(weights[name], seen[1][name]) for name in weights)
    assert not all(torch.equal(weights[name], seen[3][name]) for name in weights)


def test_watching_measures_across_spaces_and_alone(strangers: FaceSet) -> None:
    network = Tiny().eval()
    with torch.inference_mode():
        from embedge.train.data.feeding.batches import pixels

        rows = network(pixels(strangers.images)).numpy()
    found = TrainingChecks(strangers, rows, every=1)(network)
    assert found["cross-space eer"] == pytest.approx(found["eer"], abs=0.05)
    stranger = TrainingChecks(strangers, np.random.default_rng(0).normal(size=rows.shape), every=1)(
        network
    )
    assert stranger["cross-space eer"] > 0.25


def test_evaluations_are_a_csv_too(faces: FaceSet, strangers: FaceSet, tmp_path: Path) -> None:
    checks = TrainingChecks(strangers, None, every=4)
    _, log = trained(faces, tmp_path, changed(steps=10), checks=checks)
    with (tmp_path / "s.watch.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == log["watch"]["step"] == [4, 8, 10]
    assert [float(row["eer"]) for row in rows] == log["watch"]["eer"]


def test_verification_sets_do_not_choose_the_best(
    faces: FaceSet, strangers: FaceSet, tmp_path: Path
) -> None:
    """The best is the lowest, and an accuracy is better the higher it is."""
    accuracies = iter([0.5, 0.9, 0.7])

    class Shown:
        def __call__(self, _: object) -> dict[str, float]:
            return {"set accuracy": next(accuracies)}

    sets: Any = (Shown(),)
    checks = TrainingChecks(strangers, None, every=2, sets=sets)
    _, log = trained(faces, tmp_path, SCHEDULE, checks=checks)
    assert list(log["watch"]) == ["step", "eer", "set accuracy"]
    assert log["watch"]["set accuracy"] == [0.5, 0.9, 0.7]


def test_curves_are_a_csv(faces: FaceSet, tmp_path: Path) -> None:
    _, log = trained(faces, tmp_path, changed(steps=20))
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == log["step"] == [10, 20]
    assert [float(row["loss"]) for row in rows] == log["loss"]


def test_tensorboard_events_hold_the_curves(faces: FaceSet, tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    _, log = trained(faces, tmp_path, changed(steps=20, tensorboard=True))
    events = accumulator(str(tmp_path / "s.events"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == log["step"]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(log["loss"])


def test_a_gpu_is_never_replaced_silently(faces: FaceSet, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(EmbedgeError, match="E-NO-GPU"):
        trained(faces, tmp_path, changed(device="cuda"))


def test_sgd_has_the_momentum_and_the_decay_that_it_is_told(faces: FaceSet, tmp_path: Path) -> None:
    plain = changed(momentum=0.5, nesterov=True, weight_decay=0.1, decay_norms=True)
    for wanted in (plain, changed(weight_decay=0.1)):
        made = training._optimizer(Tiny(), nn.Module(), wanted)
        assert [group["momentum"] for group in made.param_groups] == [wanted.momentum] * 2
        assert made.param_groups[0]["nesterov"] is wanted.nesterov
        decays = [group["weight_decay"] for group in made.param_groups]
        assert decays == [0.1, 0.1 if wanted.decay_norms else 0.0]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_on_a_gpu_the_optimizer_takes_one_kernel_for_all(optimizer: str, device: str) -> None:
    made = training._optimizer(Tiny(), nn.Module(), changed(optimizer=optimizer, device=device))
    assert [bool(group["fused"]) for group in made.param_groups] == [device == "cuda"] * 2


class Launches(TorchDispatchMode):
    """Counts what a GPU would be given to do; views of tensors are nothing to it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if op is not torch.ops.aten.detach.default:
            self.names.append(str(op))
        return op(*args, **(kwargs or {}))


def test_an_average_of_all_tensors_takes_two_launches() -> None:
    network = mobilefacenet(16, scale=1, width=0.125)
    average = Average(network, 0.9)
    assert len(average.weights) > 200
    with Launches() as seen:
        average.update(network, 3)
    assert seen.names == ["aten._foreach_lerp_.Scalar", "aten._foreach_copy_.default"]


def test_a_checkpoint_is_written_while_steps_go_on(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, write = threading.Event(), checkpoint.HeldState.write

    def slow(self: Any, path: Path) -> None:
        assert later.wait(20), "the training waited for the disk"
        write(self, path)

    class Source(Batches):
        def at(self, step: int) -> Batch:
            if step == 4:
                later.set()
            return super().at(step)

    monkeypatch.setattr(checkpoint.HeldState, "write", slow)
    trained(faces, tmp_path, changed(checkpoint_every=2), source=Source)
    assert (tmp_path / "s.training.safetensors").is_file()


def test_checkpoints_go_by_minutes(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes a minute here: of twelve every fifth is due, and the last."""
    now, saved, forward = [0.0], [], Tiny.forward

    def minute(self: Tiny, x: torch.Tensor) -> torch.Tensor:
        now[0] += 60.0
        return forward(self, x)

    monkeypatch.setattr(Tiny, "forward", minute)
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        training.Checkpoints, "write", lambda self, state, log: saved.append(state.step)
    )
    trained(faces, tmp_path, changed(steps=12, checkpoint_every=0))
    assert saved == [5, 10, 12]


def test_epochs_see_every_picture_so_often(faces: FaceSet, tmp_path: Path) -> None:
    with seeded(3):
        ingredients = Ingredients.without_teacher(faces.classes, 16, Margin(m2=0.2, scale=16.0))
    lesson = Lesson("scratch", ingredients, faces, None)
    curves, _ = train_student(
        "s",
        Tiny(),
        lesson,
        changed(epochs=3, steps=1),
        seed=1,
        folder=tmp_path,
        progress=Progress(quiet=True),
    )
    assert curves["step"][-1] == 3 * len(faces) // SCHEDULE.batch


def spoilt(monkeypatch: pytest.MonkeyPatch, what: str, step: int) -> None:
    """From this step on the loss, one part of it, or the gradient alone is no number."""
    find = training._Training._loss

    def planted(self: Any, batch: Batch) -> Any:
        loss = find(self, batch)
        if self.state.step < step:
            return loss
        if what == "gradient":
            next(self.state.network.parameters()).register_hook(lambda rows: rows * torch.inf)
            return loss
        return training.Loss(loss.total * torch.nan, {"ce": loss.total})

    monkeypatch.setattr(training._Training, "_loss", planted)


@pytest.mark.parametrize(
    ("what", "told"), [("loss", "loss is nan"), ("gradient", "the gradient is (nan|inf)")]
)
def test_a_training_that_is_no_number_any_more_stops(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, told: str
) -> None:
    spoilt(monkeypatch, what, 9)
    with pytest.raises(EmbedgeError, match=f"E-DIVERGED.*training s .*step 10: {told}.*`lr`"):
        trained(faces, tmp_path, changed(steps=30, checkpoint_every=0))
    assert not [*tmp_path.iterdir()], "nothing of it is kept"


@pytest.mark.parametrize("watched", [False, True])
def test_what_is_no_number_is_neither_kept_nor_looked_at(
    faces: FaceSet,
    strangers: FaceSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    watched: bool,
) -> None:
    spoilt(monkeypatch, "loss", 4)
    checks = TrainingChecks(strangers, None, every=3) if watched else None
    with pytest.raises(EmbedgeError, match=r"E-DIVERGED.*step 6: weights are NaN"):
        trained(faces, tmp_path, changed(steps=9, checkpoint_every=3), checks=checks)
    state = load_file(tmp_path / "s.training.safetensors")
    assert all(value.isfinite().all() for value in state.values()), "the one of step 3"


def test_half_precision_may_leave_steps_out(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scale begins so high that the first gradients overflow."""
    spoilt(monkeypatch, "gradient", 9)
    schedule = changed(steps=10, amp="fp16", checkpoint_every=0)
    weights, _ = trained(faces, tmp_path, schedule)
    assert all(value.isfinite().all() for value in weights.values())
    with pytest.raises(EmbedgeError, match=r"E-DIVERGED.*the gradient is"):
        trained(faces, tmp_path / "long", schedule.model_copy(update={"steps": 40}))
