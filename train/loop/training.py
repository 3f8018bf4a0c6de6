"""The training loop, for teachers and students alike, on one process or several.

A step is a function of (seed, step number): batches, augmentation and dropout draw from it, so a
run that was killed and resumed ends in the same weights as one that was not.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.feeding.batches import Batch, share_of
from embedge.train.data.feeding.feed import Source, cores, feed, share_with
from embedge.train.loop import ranks
from embedge.train.loop.average import Average
from embedge.train.loop.checkpoint import Checkpoints, TrainingState, load_network, save_network
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.curves import Curves, Journal
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.synced_norm import synced
from embedge.train.methods.parts.method import Loss, Sample
from embedge.train.models.compiling import Compiled
from embedge.train.models.tail import Tailed

__all__ = ["Curves", "device_named", "device_of", "fit"]

_RECORDED_EVERY = 10

TeacherLookup = Callable[[Batch], Tensor]


def fit(
    name: str,
    network: nn.Module,
    method: nn.Module,
    batches: Source,
    schedule: Schedule,
    *,
    folder: Path,
    progress: Progress,
    teacher: TeacherLookup | None = None,
    checks: TrainingChecks | None = None,
) -> Curves:
    """Train `network` in place and return its curves. Resumes from `folder` if it was begun.

    With checks, what stays in `network` is the best they saw, else the last.
    """
    device = device_of(schedule)
    schedule.require_shares(ranks.world())
    network.to(device)
    method.to(device)
    if schedule.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(network, Tailed):
        network.fp32_tail = schedule.fp32_tail
    trained = synced(network) if schedule.sync_norm and ranks.world() > 1 else network
    state = TrainingState(
        trained,
        method,
        _optimizer(trained, method, schedule),
        Average(trained, schedule.ema),
        torch.amp.GradScaler(device.type, enabled=schedule.amp == "fp16"),
    )
    run = _Training(
        name, state, schedule, device, folder, checks, teacher, batches.seed, progress.say
    )
    run.resume()
    with (
        closing(run.checkpoints),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        _without_subnormals(),
        progress.table(f"training {name}", schedule.steps, state.step) as task,
    ):
        for batch in run.fed(batches, progress):
            run.step(batch)
            task.advance(1, run.told)
            if run.news:
                task.row(run.news)
            if run.stopped:
                break
    run.finish(network)
    return run.journal.curves


@contextmanager
def _without_subnormals() -> Iterator[None]:
    """They make small gradients a hundred times slower on CPUs and carry nothing.

    The flag belongs to the whole process, so it is put back for whoever else computes here.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class _Training:
    """One run of `fit`: its state, and what it writes down."""

    def __init__(
        self,
        name: str,
        state: TrainingState,
        schedule: Schedule,
        device: torch.device,
        folder: Path,
        checks: TrainingChecks | None,
        teacher: TeacherLookup | None,
        seed: int,
        say: Callable[[str], None],
    ):
        self.state, self.schedule, self.device, self.seed = state, schedule, device, seed
        self.checks, self.teacher = checks, teacher
        self.checkpoints = Checkpoints(folder / f"{name}.training.safetensors")
        self.best = folder / f"{name}.best.safetensors"
        self.journal = Journal(folder, name, tensorboard=schedule.tensorboard)
        self.spread = ranks.wrapped(state.network, device)
        self.forward: Callable[[Tensor], Tensor] = (
            Compiled(self.spread, say) if schedule.compile else self.spread
        )
        self.losses = ranks.wrapped(state.method, device)
        self.news: dict[str, str] = {}
        self.found = self._loss_told = ""
        self._spoke = self._saved = time.monotonic()

    @property
    def told(self) -> str:
        """What stands beside the bar; read from the device only when figures are recorded."""
        return f"{self._loss_told}{self.found}"

    @property
    def stopped(self) -> bool:
        patience = 0 if self.checks is None else self.checks.patience
        return patience > 0 and self.journal.since_best >= patience

    def resume(self) -> None:
        if self.checkpoints.path.is_file():
            self.journal.restore(self.state.load(self.checkpoints.path), self.state.step)
        self.state.network.train()

    def fed(self, batches: Source, progress: Progress) -> Iterator[Batch]:
        """What is left of this rank's batches."""
        return feed(
            share_with(batches, ranks.rank(), ranks.world()),
            self.state.step,
            self.state.step if self.stopped else self.schedule.steps,
            workers=self.schedule.readers(cores(), ranks.together_here()),
            say=progress.say,
            pin=_fetches(self.device),
        )

    def step(self, batch: Batch) -> None:
        """One optimizer step, and whatever is due after it."""
        state, schedule = self.state, self.schedule
        torch.manual_seed(hash((self.seed, state.step)))
        for group in state.optimizer.param_groups:
            group["lr"] = schedule.rate(state.step)
        loss = self._gradients(batch)
        length = self._update()
        state.average.update(state.network, state.step)
        state.step += 1
        last = state.step == schedule.steps
        self.news = {}
        if state.step % _RECORDED_EVERY == 0 or last:
            self._tell(self.journal.record(state.step, loss, self._trusted(length)))
        if self.checks is not None and (state.step % self.checks.every == 0 or last):
            self.journal.require_finite(state.step, state.network, state.method)
            self._look(self.checks)
        if last or self.stopped or self._is_due():
            self._save()

    def finish(self, network: nn.Module) -> None:
        self.journal.close()
        ranks.barrier()
        if self.checks is not None:
            load_network(self.best, network)
        else:
            self.state.average.write_to(self.state.network)
            ranks.equalised(self.state.network.state_dict().values())
        network.eval()

    def _gradients(self, batch: Batch) -> Loss:
        """Add up the gradients of the parts of this rank's share; the mean loss of its parts."""
        self.state.optimizer.zero_grad(set_to_none=True)
        *first, last = parts = _parts(batch, self.schedule.accumulate)
        with ranks.unsent(self.spread, self.losses):
            losses = [self._backward(part, len(parts)) for part in first]
        losses.append(self._backward(last, len(parts)))
        return losses[0] if len(losses) == 1 else _mean(losses)

    def _backward(self, part: Batch, parts: int) -> Loss:
        loss = self._loss(part)
        share = loss.total if parts == 1 else loss.total / parts
        self.state.scaler.scale(share).backward()
        return loss

    def _loss(self, batch: Batch) -> Loss:
        kind = _arithmetic(self.schedule)
        layout = torch.channels_last if self.schedule.channels_last else torch.contiguous_format
        images = batch.on(self.device, layout)
        with torch.autocast(self.device.type, kind) if kind else nullcontext():
            embeddings = self.forward(images)
        target = None if self.teacher is None else self._there(self.teacher(batch))
        done = self.state.step / self.schedule.steps
        sample = Sample(embeddings.float(), self._there(batch.labels), target, done)
        loss: Loss = self.losses(sample)
        return loss

    def _there(self, rows: Tensor) -> Tensor:
        """Behind what the device has still to do; from ordinary memory the host would wait."""
        held = rows.pin_memory() if _fetches(self.device) else rows
        return held.to(self.device, non_blocking=True)

    def _update(self) -> Tensor:
        """The length of the gradient, left on the device."""
        state = self.state
        state.scaler.unscale_(state.optimizer)
        length = nn.utils.clip_grad_norm_(state.network.parameters(), self.schedule.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        return length

    def _trusted(self, length: Tensor) -> Tensor:
        """In fp16 gradients overflow now and then, and their step is left out: that is no fault
        while the scale has far to fall."""
        scaler = self.state.scaler
        excused = scaler.is_enabled() and scaler.get_scale() >= 1
        return torch.zeros_like(length) if excused else length

    def _look(self, checks: TrainingChecks) -> None:
        """Evaluate what would be exported now, and keep it if it is the best so far."""
        network = self.state.network
        with self.state.average.applied_to(network):
            # the first process looks for all: its norms are those that are kept
            found = ranks.agreed(lambda: checks(network))
            told = {key: f"{100 * value:.2f} %" for key, value in found.items()}
            self.found = "".join(f", {key} {value}" for key, value in told.items())
            self.news = {"step": str(self.state.step), **self.news, **told}
            if self.journal.checked(self.state.step, found) and ranks.rank() == 0:
                save_network(self.best, network)
        network.train()

    def _tell(self, row: dict[str, float]) -> None:
        """A row of the live table; the pace is that since the last one."""
        now = time.monotonic()
        pace = _RECORDED_EVERY * self.schedule.batch / max(now - self._spoke, 1e-9)
        self._spoke = now
        rate = self.state.optimizer.param_groups[0]["lr"]
        figures = {name: f"{value:.3f}" for name, value in row.items()}
        self._loss_told = f"loss {figures['loss']}"
        self.news = {"step": str(self.state.step), **figures, "lr": f"{rate:.1e}"}
        self.news["faces/s"] = f"{pace:.0f}"

    def _is_due(self) -> bool:
        """Whether it is time to save; only the first process has to know."""
        if self.schedule.checkpoint_every:
            return self.state.step % self.schedule.checkpoint_every == 0
        return time.monotonic() - self._saved >= 60 * self.schedule.checkpoint_minutes

    def _save(self) -> None:
        self.journal.require_finite(self.state.step, self.state.network, self.state.method)
        if ranks.rank() == 0:
            self.checkpoints.write(self.state, self.journal.curves)
            self.journal.write()
        self._saved = time.monotonic()


def device_of(schedule: Schedule) -> torch.device:
    return device_named(schedule.device)


def device_named(name: str) -> torch.device:
    """This process's own of that kind."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EmbedgeError(
            "E-NO-GPU",
            "the recipe says device: cuda and this torch sees no GPU",
            remedy="Set train.device and teacher.device to cpu, or install a torch for your GPU",
        )
    return torch.device(f"{name}:{ranks.local_rank()}" if name == "cuda" else name)


def _fetches(device: torch.device) -> bool:
    """Whether it reads the host's memory by itself, where that is pinned."""
    return device.type == "cuda"


def _arithmetic(schedule: Schedule) -> torch.dtype | None:
    """None is the network's own."""
    amp = schedule.amp
    if amp == "auto":
        amp = "bf16" if schedule.device == "cuda" or _multiplies_bf16() else "fp32"
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(amp)


def _multiplies_bf16() -> bool:
    cpu = torch.cpu
    return cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()


def _optimizer(network: nn.Module, method: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Weight decay pulls on matrices; on norms and slopes, where it does harm, only if asked to."""
    parameters = [p for m in (network, method) for p in m.parameters() if p.requires_grad]
    decay, fused = schedule.weight_decay, schedule.device == "cuda"
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {
            "params": [p for p in parameters if p.ndim <= 1],
            "weight_decay": decay if schedule.decay_norms else 0.0,
        },
    ]
    if schedule.optimizer == "sgd":
        momentum, ahead = schedule.momentum, schedule.nesterov
        return torch.optim.SGD(
            groups, lr=schedule.lr, momentum=momentum, nesterov=ahead, fused=fused
        )
    return torch.optim.AdamW(groups, lr=schedule.lr, fused=fused)


def _parts(batch: Batch, accumulate: int) -> list[Batch]:
    """This rank's share of the batch, cut into `accumulate` pieces of consecutive rows."""
    count = len(batch.labels)
    return [batch[share_of(count, part, accumulate)] for part in range(accumulate)]


def _mean(losses: list[Loss]) -> Loss:
    total = torch.stack([loss.total.detach() for loss in losses]).mean()
    names = losses[0].parts
    parts = {n: torch.stack([loss.parts[n].detach() for loss in losses]).mean() for n in names}
    return Loss(total, parts)
