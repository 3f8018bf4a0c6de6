"""Memory and time of a head before anything is started."""

import math
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
    """`batch` samples per rank; classes are spread over the ranks, samples are gathered."""
    rows = math.ceil(classes / ranks)
    samples = batch * ranks
    size = 4 if layout != "frozen" else BYTES[dtype]
    weights = rows * dim * size
    learned = 0 if layout == "frozen" else weights
    if layout == "naive":
        working = _NAIVE_LOGITS * samples * rows * _FLOAT
        return HeadCost(layout, weights, learned, learned, working, None)
    working = _working(samples, min(block_rows, rows), dim, size, layout == "trainable")
    seconds = _seconds(machine, samples, rows, dim, size, layout) + _exchange(
        machine, samples, dim, ranks
    )
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


def _exchange(machine: HeadMachine, samples: int, dim: int, ranks: int) -> float:
    """Embeddings gathered; mean rows and target rows summed and scattered back."""
    if ranks == 1:
        return 0.0
    return 3 * samples * dim * _FLOAT * (ranks - 1) / ranks / machine.link
