"""The training loop, for teachers and students alike.

A step is a function of (seed, step number): batches and augmentation draw from it, so a run that
was killed and resumed ends in the same weights as one that was not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embedge.progress import Progress
from embedge.train.average import Average
from embedge.train.checkpoint import TrainingState
from embedge.train.data.batches import Batch, Batches
from embedge.train.methods.vocabulary import Loss, Sample
from embedge.train.schedule import rate_at

__all__ = ["Plan", "fit"]

TeacherLookup = Callable[[Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers of a training run; the fields are those of the recipe's `train` section."""

    steps: int
    batch: int
    optimizer: str
    lr: float
    weight_decay: float
    warmup: int
    clip: float
    amp: str
    ema: float
    checkpoint_every: int


def fit(
    name: str,
    network: nn.Module,
    method: nn.Module,
    batches: Batches,
    plan: Plan,
    *,
    folder: Path,
    progress: Progress,
    teacher: TeacherLookup | None = None,
) -> dict[str, list[float]]:
    """Train `network` in place and return its curves. Resumes from `folder` if it was begun."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = TrainingState(
        network, method, _optimizer(network, method, plan), Average(network, plan.ema)
    )
    checkpoint = folder / f"{name}.training.safetensors"
    log: dict[str, Any] = state.load(checkpoint) if checkpoint.is_file() else {"step": []}
    network.train()
    # subnormal numbers make small gradients a hundred times slower on CPUs and carry nothing
    torch.set_flush_denormal(True)
    with progress.task(f"training {name}", plan.steps, state.step) as task:
        while state.step < plan.steps:
            loss = _step(state, batches.at(state.step), plan, teacher)
            state.step += 1
            if state.step % 10 == 0 or state.step == plan.steps:
                _record(log, state.step, loss)
            if state.step % plan.checkpoint_every == 0 or state.step == plan.steps:
                state.save(checkpoint, log)
            task.advance(1, f"loss {float(loss.total.detach()):.3f}")
    state.average.write_to(network)
    network.eval()
    return log


def _optimizer(network: nn.Module, method: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Weight decay pulls on matrices only: on norms and slopes it would do harm."""
    parameters = [p for m in (network, method) for p in m.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.lr, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=plan.lr)


def _step(state: TrainingState, batch: Batch, plan: Plan, teacher: TeacherLookup | None) -> Loss:
    for group in state.optimizer.param_groups:
        group["lr"] = plan.lr * rate_at(state.step, plan.steps, plan.warmup)
    with torch.autocast("cpu", torch.bfloat16, enabled=plan.amp == "bf16"):
        embeddings = state.network(batch.images)
    target = teacher(batch) if teacher is not None else None
    loss: Loss = state.method(Sample(embeddings.float(), batch.labels, target))
    state.optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), plan.clip)
    state.optimizer.step()
    state.average.update(state.network, state.step)
    return loss


def _record(log: dict[str, Any], step: int, loss: Loss) -> None:
    log["step"].append(step)
    values = {"loss": loss.total, **loss.parts}
    for name, value in values.items():
        log.setdefault(name, []).append(round(float(value.detach()), 5))
