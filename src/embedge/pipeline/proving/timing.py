"""Every artifact timed side by side, and which of those that hold their gates a device runs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embedge.bench.results import ArtifactLatency, Latency
from embedge.bench.suite import latency_section
from embedge.pipeline.proving.queries import rendered_queries
from embedge.progress import Progress
from embedge.runtime.bundle.manifest import ONNX_RUNTIME
from embedge.runtime.encoders.bundled import runtime_of
from embedge.runtime.picture.images import RgbImage

__all__ = ["Default", "candidates", "fastest", "timed"]

_EVERYWHERE = ("fp32", "fp16", "int8-cpu")  # the base install runs them well
_NOISE = 0.03  # medians of interleaved rounds differ by so much between runs
_CROPS = 64
_ROUNDS = 5  # a disturbed round is repeated, so there can be more


def timed(
    graphs: Mapping[str, Path],
    may: Sequence[str],
    pictures: RgbImage,
    progress: Progress,
    *,
    seconds: float,
    seed: int,
) -> Latency:
    """A device is given the fastest that it `may` run: wide ones first."""
    with progress.task(f"timing {len(graphs)} artifacts, rounds", _ROUNDS) as task:
        section = latency_section(
            graphs,
            default=lambda rows: fastest(rows, may).artifact,
            crops=np.asarray(pictures[:_CROPS]),
            queries=rendered_queries(seed),
            seconds=seconds,
            on_round=task.advance,
        )
    return replace(section, why=fastest(section.artifacts, may).why)


def candidates(artifacts: Iterable[str], passing: Collection[str]) -> list[str]:
    """Those a device may be given: they hold their gates and need nothing but the base install."""
    return [name for name in artifacts if name in passing and name in _EVERYWHERE]


@dataclass(frozen=True, slots=True)
class Default:
    artifact: str
    why: str


def fastest(rows: Sequence[ArtifactLatency], may: Sequence[str]) -> Default:
    """The fastest of these on one thread; a narrower one must win by what repeats itself.

    `may` goes from wide to narrow. Where none holds its gates it is the float graph.
    """
    times = {row.artifact: row.p50 or row.max for row in rows if row.threads == 1}
    some = [name for name in may if name in times]
    if not some:
        return Default("fp32", "no artifact that the base install runs holds its gates")
    best = some[0]
    for name in some[1:]:
        if times[name] < times[best] * (1 - _NOISE):
            best = name
    told = ", ".join(f"{name} {times[name]:.2f}" for name in some)
    why = f"fastest that holds its gates (ms: {told})"
    slower = [name for name in some if some.index(name) > some.index(best)]
    if slower:
        why += f"; {' and '.join(slower)} not faster than {best} here, so not the default"
    ahead = {name: ms for name, ms in times.items() if runtime_of(name) != ONNX_RUNTIME}
    faster = [f"{name} {ms:.2f}" for name, ms in ahead.items() if ms < times[best]]
    return Default(best, why + (f"; with its own runtime {', '.join(faster)}" if faster else ""))
