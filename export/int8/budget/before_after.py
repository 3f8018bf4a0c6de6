"""A float graph and its INT8 twin side by side: nearness, size, time."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedge.bench.core import Measured, Timed, single_stream
from embedge.calibration.evaluation.figures import Cosines
from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import GateFailed
from embedge.export.graph.running import Images, embeddings_of
from embedge.export.intake.intake import TakenIn
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session

__all__ = ["BeforeAfter", "FileFigures", "before_after", "parity_of"]

_BEFORE = "float"


@dataclass(frozen=True, slots=True)
class FileFigures:
    """One file: its size, and the median of its calls (ONNX Runtime CPU, 1 thread, batch 1)."""

    file: str
    bytes: int
    p50_ms: float
    calls: int

    @classmethod
    def of(cls, name: str, size: int, timing: Measured) -> "FileFigures":
        calls = timing.milliseconds
        return cls(name, size, float(np.median(calls)), len(calls))


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


def parity_of(taken: TakenIn, after: Path, images: Images, *, floor: float = 0.0) -> Cosines:
    """Nearness to the network as it came, on its own input; what is under the floor is refused."""
    parity = cosines_of(taken.expected(images), embeddings_of(after, images))
    if parity.p1 < floor:
        raise GateFailed(
            "E-INT8-FLOOR",
            f"the INT8 graph's cosine to float is {parity.p1:.4f} (first percentile of {parity.n}"
            f" pictures), under {floor:g}; nothing was written",
            remedy="Keep layers in float with --keep or --budget, calibrate on more faces, or lower"
            " --floor",
        )
    return parity


def before_after(
    taken: TakenIn, size: int, after: Path, images: Images, parity: Cosines, *, seconds: float
) -> BeforeAfter:
    """Interleaved rounds on faces; a disturbed measurement says so. `size` is that of the file as
    it came; what is timed is the float graph that was made from it."""
    whole = taken.graph.copy().to_model().SerializeToString()
    timed = ((_BEFORE, whole), (after.name, after))
    subjects = [Timed(name, _caller(model, images, taken)) for name, model in timed]
    measured = single_stream(subjects, seconds=seconds, repeats=0.5)
    first = FileFigures.of(_BEFORE, size, measured[0])
    second = FileFigures.of(after.name, after.stat().st_size, measured[1])
    return BeforeAfter(parity, first, second, any(timing.flagged for timing in measured))


def _caller(model: bytes | Path, images: Images, taken: TakenIn) -> Callable[[int], object]:
    session = ort_session(model, threads=1)
    name = session.get_inputs()[0].name
    tensors = [tensor_from_crops(images[i : i + 1], taken.contract) for i in range(len(images))]
    return lambda query: session.run(None, {name: tensors[query % len(tensors)]})
