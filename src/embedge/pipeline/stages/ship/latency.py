"""The bench stage: how long a device waits, measured on faces."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from embedge.bench.results import Latency
from embedge.bench.suite import latency_section
from embedge.files import write_json
from embedge.pipeline.proving.queries import rendered_queries
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.train.data import FaceSet
from embedge.typed import plain, structured

__all__ = ["bench_stage", "default_artifact", "latency_of"]

_CROPS = 64
_ROUNDS = 5  # a disturbed round is repeated, so there can be more


def bench_stage(
    run: Run, recipe: Recipe, held_out: Stage, graphs: dict[str, Path], after: list[Stage]
) -> Stage:
    def work(folder: Path) -> dict[str, Any]:
        queries = rendered_queries(recipe.data.seed)
        with run.progress.task(f"timing {len(graphs)} artifacts, rounds", _ROUNDS) as task:
            section = latency_section(
                graphs,
                default=default_artifact(graphs),
                crops=np.asarray(FaceSet.load(held_out.folder).images[:_CROPS]),
                queries=queries,
                seconds=recipe.bench.seconds,
                on_round=task.advance,
            )
        write_json(folder / "latency.json", plain(section))
        return {}

    return run.stage("bench", recipe.bench.model_dump(mode="json"), [held_out, *after], work)


def latency_of(stage: Stage) -> Latency:
    return structured(Latency, json.loads((stage.folder / "latency.json").read_text()))


def default_artifact(graphs: dict[str, Path]) -> str:
    """What a CPU device should run: the integer graph where there is one."""
    return "int8-cpu" if "int8-cpu" in graphs else next(iter(graphs))
