"""How long a step of a training takes on this machine, and what compiling the network brings."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from embedge.pipeline.run import Training
from embedge.progress import Progress, TableTask
from embedge.train.models.compiling import UNCOMPILED

__all__ = ["Pace", "Stopwatch"]

_WARM = 2
_STEPS = 3
_WORTH = 1.05  # times as fast: less is what two measurements differ by


class Stopwatch(Progress):
    """Shown the steps of trainings in place of a user; what it would have said is kept."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []
        self.steps: list[float] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def table(self, *_: Any, **__: Any) -> Iterator[TableTask]:
        self.steps = []
        yield _Steps(self.steps)

    def seconds(self, training: Training, folder: Path) -> float:
        """A step's, once everything is loaded and warm; the last one, which saves, left out.

        0 where there is nothing to try.
        """
        self.steps = []
        folder.mkdir(parents=True, exist_ok=True)
        training.trial(folder, training.schedule.trial(_WARM + _STEPS + 1))
        if not self.steps:
            return 0.0
        return max(self.steps[_WARM + _STEPS - 1] - self.steps[_WARM - 1], 1e-3) / _STEPS


class _Steps:
    """The moments at which steps were done, the device waited for where it would run ahead."""

    def __init__(self, steps: list[float]):
        self._steps = steps

    def advance(self, *_: Any, **__: Any) -> None:
        if len(self._steps) + 1 in (_WARM, _WARM + _STEPS) and torch.cuda.is_available():
            torch.cuda.synchronize()
        self._steps.append(time.perf_counter())

    def row(self, values: dict[str, str]) -> None:
        """Figures of a trial say nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a step as the recipe has it, and with its `compile` turned round where tried."""

    seconds: float
    compiled: bool
    turned: float | None = None
    obstacle: str = ""

    @classmethod
    def of(cls, training: Training, folder: Path, stopwatch: Stopwatch) -> Self:
        """Compiling is tried where the recipe asks for it, and on a GPU."""
        schedule = training.schedule
        stopwatch.said.clear()
        seconds = stopwatch.seconds(training, folder / "asked")
        if not seconds or not (schedule.compile or schedule.device == "cuda"):
            return cls(seconds, compiled=False)
        other = stopwatch.seconds(Training(schedule.turned, training.trial), folder / "turned")
        failed = next((line.strip() for line in stopwatch.said if UNCOMPILED in line), "")
        return cls(seconds, schedule.compile, other, failed)

    @property
    def about_compiling(self) -> str:
        if self.turned is None or self.obstacle:
            return self.obstacle.partition(":")[0]
        plain, fast = (self.turned, self.seconds)[:: 1 if self.compiled else -1]
        gain = plain / fast
        if self.compiled:
            told = f"compiled, {gain:.2f} times as fast as not"
            return told if gain >= _WORTH else f"{told}: leave out train.compile"
        if gain >= _WORTH:
            return f"compiled it would be {gain:.2f} times as fast: train.compile true"
        return "compiling would bring nothing"
