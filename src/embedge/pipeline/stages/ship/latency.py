"""The bench stage: how long a device waits, measured on faces."""

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from embedge.bench.results import ArtifactLatency, Latency
from embedge.bench.suite import latency_section
from embedge.files import write_json
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.runtime.bundle.manifest import ONNX_RUNTIME
from embedge.runtime.encoders.bundled import runtime_of
from embedge.runtime.picture.images import RgbImage
from embedge.train.data import FaceSet
from embedge.train.render import FaceRenderer
from embedge.typed import plain, structured

__all__ = ["Default", "bench_stage", "fastest", "latency_of"]

_EVERYWHERE = ("fp32", "fp16", "int8-cpu")  # the base install runs them well
_NOISE = 0.03  # medians of interleaved rounds differ by so much between runs
_CROPS = 64
_QUERIES = 8
_ROUNDS = 5  # a disturbed round is repeated, so there can be more
_SCENE = (480, 640)


def bench_stage(
    run: Run,
    recipe: Recipe,
    held_out: Stage,
    graphs: dict[str, Path],
    after: list[Stage],
    passing: Collection[str],
) -> Stage:
    """`passing` artifacts hold their gates: of these a device is given the fastest."""
    may = [name for name in graphs if name in passing and name in _EVERYWHERE]

    def work(folder: Path) -> dict[str, Any]:
        queries = [_query(recipe, number) for number in range(_QUERIES)]
        with run.progress.task(f"timing {len(graphs)} artifacts, rounds", _ROUNDS) as task:
            section = latency_section(
                graphs,
                default=lambda rows: fastest(rows, may).artifact,
                crops=np.asarray(FaceSet.load(held_out.folder).images[:_CROPS]),
                queries=queries,
                seconds=recipe.bench.seconds,
                on_round=task.advance,
            )
        why = fastest(section.artifacts, may).why
        write_json(folder / "latency.json", plain(replace(section, why=why)))
        return {}

    inputs = {**recipe.bench.model_dump(mode="json"), "may": may}
    return run.stage("bench", inputs, [held_out, *after], work)


def latency_of(stage: Stage) -> Latency:
    return structured(Latency, json.loads((stage.folder / "latency.json").read_text()))


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


def _query(recipe: Recipe, number: int) -> tuple[Any, Any]:
    """Two camera pictures of one person, with landmarks, as a door would see them."""
    renderer = FaceRenderer(recipe.data.seed)
    first, second = (renderer.render_scene(-1 - number, sample, _SCENE) for sample in (0, 1))
    return (_jpeg(first.image), first.landmarks), (_jpeg(second.image), second.landmarks)


def _jpeg(image: RgbImage) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90)
    return stream.getvalue()
