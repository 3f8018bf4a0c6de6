"""Memory and time of a head before anything is started."""

from dataclasses import dataclass
from typing import Literal

from embedge.train.head.machine import HeadMachine

__all__ = ["HeadCost", "Layout", "head_cost"]

Layout = Literal["frozen", "trainable", "naive"]

BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}
_FLOAT = 4
# per sample and dimension: what the loss holds at its peak beside the blocks (normalised rows,
# scaled rows, sums, mean rows, target rows, direction, gradient)
_ROWS_PER_SAMPLE = 7
# naive autograd at its peak, in whole logits matrices, as measured
_NAIVE_LOGITS = 4


@dataclass(frozen=True, slots=True)
class HeadCost:
    """Bytes and seconds of one rank's step; `seconds` is None where no time is predicted."""

    layout: Layout
    weights: int
    gradients: int
    momentum: int
    working: int
    seconds: float | None

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.momentum + self.working


def head_cost(
    machine: HeadMachine,
    layout: Layout,
    *,
    classes: int,
    batch: int,
    ranks: int,
    dim: int,
    dtype: str,
    block_rows: int,
) -> HeadCost:
    """`batch` samples per rank; each rank has the whole head."""
    size = 4 if layout != "frozen" else BYTES[dtype]
    weights = classes * dim * size
    learned = 0 if layout == "frozen" else weights
    if layout == "naive":
        working = _NAIVE_LOGITS * batch * classes * _FLOAT
        return HeadCost(layout, weights, learned, learned, working, None)
    working = _working(batch, min(block_rows, classes), dim, size, layout == "trainable")
    seconds = _seconds(machine, batch, classes, dim, size, layout)
    seconds += _exchange(machine, learned, ranks)
    return HeadCost(layout, weights, learned, learned, working, seconds)


def _working(samples: int, block: int, dim: int, size: int, trainable: bool) -> int:
    logits = samples * block * _FLOAT
    widened = block * dim * _FLOAT if size < _FLOAT or trainable else 0
    return logits + (2 if trainable else 1) * widened + _ROWS_PER_SAMPLE * samples * dim * _FLOAT


def _seconds(
    machine: HeadMachine, samples: int, rows: int, dim: int, size: int, layout: Layout
) -> float:
    passes = 2 if layout == "trainable" else 1
    products = passes * 4 * samples * rows * dim / machine.products
    softmax = passes * samples * rows / machine.softmax
    widening = rows * dim / machine.widening if size < _FLOAT else 0.0
    normalising = rows * dim / machine.normalising if layout == "trainable" else 0.0
    return products + softmax + widening + normalising


def _exchange(machine: HeadMachine, gradients: int, ranks: int) -> float:
    """The gradients of all ranks, summed around the ring and told around it; none where frozen."""
    return 2 * gradients * (ranks - 1) / ranks / machine.link
