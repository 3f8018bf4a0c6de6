"""A float graph and its INT8 twin side by side: nearness, size, time."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedge.bench.core import Measured, Timed, single_stream
from embedge.calibration.evaluation.figures import Cosines
from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.graph.surgery import DEFAULT_CONTRACT, Images, embeddings_of
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session

__all__ = ["BeforeAfter", "FileFigures", "before_after"]


@dataclass(frozen=True, slots=True)
class FileFigures:
    """One file: its size, and the median of its calls (ONNX Runtime CPU, 1 thread, batch 1)."""

    file: str
    bytes: int
    p50_ms: float
    calls: int

    @classmethod
    def of(cls, path: Path, timing: Measured) -> "FileFigures":
        calls = timing.milliseconds
        return cls(path.name, path.stat().st_size, float(np.median(calls)), len(calls))


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """`disturbed`: other processes used the processor meanwhile."""

    parity: Cosines
    before: FileFigures
    after: FileFigures
    disturbed: bool

    @property
    def speedup(self) -> float:
        return self.before.p50_ms / self.after.p50_ms

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "speedup": self.speedup}


def before_after(before: Path, after: Path, images: Images, *, seconds: float) -> BeforeAfter:
    """Interleaved rounds on faces; a disturbed measurement says so."""
    parity = cosines_of(embeddings_of(before, images), embeddings_of(after, images))
    subjects = [Timed(path.name, _caller(path, images)) for path in (before, after)]
    measured = single_stream(subjects, seconds=seconds, rounds=5, repeats=0.5)
    first, second = map(FileFigures.of, (before, after), measured)
    return BeforeAfter(parity, first, second, any(timing.flagged for timing in measured))


def _caller(path: Path, images: Images) -> Callable[[int], object]:
    session = ort_session(path, threads=1)
    name = session.get_inputs()[0].name
    tensors = [tensor_from_crops(images[i : i + 1], DEFAULT_CONTRACT) for i in range(len(images))]
    return lambda query: session.run(None, {name: tensors[query % len(tensors)]})
