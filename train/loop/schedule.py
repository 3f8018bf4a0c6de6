"""The numbers of a training, and its learning rate over the steps."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field

from embedge.errors import EmbedgeError
from embedge.train.data.feeding.feed import readers
from embedge.train.section import MOST, Factor, Natural, Positive, Section, Weight

__all__ = ["Schedule", "rate_at"]

_FLOOR = 0.01

Part = Annotated[float, Field(gt=0, lt=1)]
Fall = Literal["cosine", "polynomial", "stairs"]


class Schedule(Section):
    steps: Positive = 600
    """optimizer steps"""
    epochs: Factor | None = None
    """how often every picture is learnt from, instead of a number of steps"""
    batch: Annotated[int, Field(ge=2, le=MOST)] = 64
    """pictures a step"""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with momentum"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """of SGD"""
    nesterov: bool = False
    """SGD: look ahead along the momentum"""
    lr: Factor = 2e-3
    """peak learning rate; the schedule takes it down to a hundredth"""
    schedule: Fall = "cosine"
    """how it falls: half a cosine, a polynomial of degree two, or stairs of a tenth each"""
    stairs: tuple[Part, ...] = (1 / 3, 2 / 3, 5 / 6)
    """shares of the training after which it falls by stairs"""
    weight_decay: Weight = 5e-2
    """on matrices"""
    decay_norms: bool = False
    """weight decay on norms and slopes too, as arcface_torch does it"""
    warmup: Natural = 50
    """steps of linear warm-up"""
    clip: Factor = 5.0
    """largest norm of the network's gradient"""
    amp: Literal["fp32", "bf16", "fp16", "auto"] = "bf16"
    """arithmetic of the network's trunk; `auto` is bf16 where the processor multiplies it, and
    fp32 where it would only imitate that"""
    fp32_tail: bool = False
    """the layers behind the trunk, which make the embedding, are computed in fp32 whatever amp"""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """decay of the averaged weights that are exported; 0 exports the last ones"""
    checkpoint_minutes: Factor = 5.0
    """minutes between checkpoints, which are written while the training goes on"""
    checkpoint_every: Natural = 0
    """steps between checkpoints instead; 0 goes by minutes"""
    accumulate: Positive = 1
    """parts that a batch is cut into where memory is short; each has its own batch statistics"""
    channels_last: bool = True
    """memory layout of the network, faster on most machines"""
    compile: bool = False
    """compile the network with torch.compile, which needs a C++ compiler on a CPU; --dry-run tells
    what it brings, and where it fails the training goes on without"""
    device: Literal["cpu", "cuda"] = "cpu"
    """where to train; never chosen silently"""
    evaluate_every: Natural = 0
    """students: steps between evaluations on held-out people who choose; the best checkpoint is
    then exported, by the cross-space EER where there is one. 0: never, the last is exported"""
    patience: Natural = 0
    """evaluations without improvement after which training stops; 0 never stops it"""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """processes that read and decode ahead; 0 leaves it to the training process, and so does null
    on a CPU. On a GPU null takes the cores that the training leaves, shared among its processes"""
    jitter: bool = True
    """move pictures by up to three pixels and change their light a little"""
    sync_norm: bool = False
    """batch norms look at the batch of all processes; one process and several then learn alike"""
    tensorboard: bool = False
    """also write TensorBoard events beside the CSV"""

    def rate(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr * rate_at(step, self.steps, self.warmup, self.schedule, self.stairs)

    @property
    def length(self) -> str:
        """As it was asked for."""
        return f"{self.steps} steps" if self.epochs is None else f"{self.epochs:g} epochs"

    def over(self, pictures: int) -> Self:
        """The same with the steps that its epochs are for so many pictures."""
        if self.epochs is None:
            return self
        steps = max(1, round(self.epochs * pictures / self.batch))
        return self.model_copy(update={"steps": steps, "epochs": None})

    def part(self, share: float) -> Self:
        """The same, for a share of its length."""
        epochs = None if self.epochs is None else self.epochs * share
        return self.model_copy(
            update={"steps": max(1, round(self.steps * share)), "epochs": epochs}
        )

    def trial(self, steps: int) -> Self:
        """A few steps of the same training, for the clock: nothing is evaluated or told."""
        quiet = {"evaluate_every": 0, "patience": 0, "tensorboard": False}
        return self.model_copy(
            update={**quiet, "steps": steps, "epochs": None, "checkpoint_every": 10**9}
        )

    @property
    def turned(self) -> Self:
        """The same but for `compile`."""
        return self.model_copy(update={"compile": not self.compile})

    def require_shares(self, processes: int, where: str = "train") -> None:
        """Refuse a batch that does not give every part of every process two pictures or more:
        batch norms have no statistics of one."""
        parts = processes * self.accumulate
        if self.batch % parts or self.batch < 2 * parts:
            raise EmbedgeError(
                "E-BATCH",
                f"a batch of {self.batch} does not divide into {processes} processes"
                f" times {self.accumulate} parts of two pictures or more",
                remedy=f"Choose a {where}.batch that is a multiple of {parts}, from {2 * parts} on",
            )

    def readers(self, cores: int, processes: int) -> int:
        """How many processes read ahead for one of `processes` that train on this machine."""
        if self.workers is not None:
            return self.workers
        return readers(self.device, cores, processes)


def rate_at(
    step: int, steps: int, warmup: int, fall: Fall, stairs: tuple[float, ...] = ()
) -> float:
    """The factor on the peak learning rate at `step`: a linear warm-up, then down to a hundredth
    by half a cosine, or by a polynomial of the second degree as arcface_torch does; or to a tenth
    at each of the stairs."""
    if step < warmup:
        return (step + 1) / warmup
    if fall == "stairs":
        return 0.1 ** sum(step >= share * steps for share in stairs)
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    left = 0.5 * (1 + math.cos(math.pi * done)) if fall == "cosine" else (1 - done) ** 2
    return _FLOOR + (1 - _FLOOR) * left
