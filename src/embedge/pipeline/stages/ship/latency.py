"""The bench stage: how long a device waits, measured on faces."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from embedge.bench.results import Latency
from embedge.files import write_json
from embedge.pipeline.proving.timing import candidates, timed
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.train.data import FaceSet
from embedge.typed import plain, structured

__all__ = ["bench_stage", "latency_of"]


def bench_stage(
    run: Run,
    recipe: Recipe,
    held_out: Stage,
    graphs: dict[str, Path],
    after: list[Stage],
    passing: Collection[str],
) -> Stage:
    """`passing` artifacts hold their gates: of these a device is given the fastest."""
    may = candidates(graphs, passing)

    def work(folder: Path) -> dict[str, Any]:
        pictures, seconds = FaceSet.load(held_out.folder).images, recipe.bench.seconds
        seed = recipe.data.seed
        section = timed(graphs, may, pictures, run.progress, seconds=seconds, seed=seed)
        write_json(folder / "latency.json", plain(section))
        return {}

    inputs = {**recipe.bench.model_dump(mode="json"), "may": may}
    return run.stage("bench", inputs, [held_out, *after], work)


def latency_of(stage: Stage) -> Latency:
    return stage.opened(
        "latency.json", lambda path: structured(Latency, json.loads(path.read_text()))
    )
