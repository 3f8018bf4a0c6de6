"""The bench stage: how long a device waits, measured on faces."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from embedge.bench.suite import latency_section
from embedge.files import write_json
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.train.data import FaceSet
from embedge.train.render import FaceRenderer

__all__ = ["bench_stage"]

_CROPS = 64
_QUERIES = 8
_ROUNDS = 5  # a disturbed round is repeated, so there can be more
_SCENE = (480, 640)


def bench_stage(
    run: Run, recipe: Recipe, held_out: Stage, graphs: dict[str, Path], after: list[Stage]
) -> Stage:
    def work(folder: Path) -> dict[str, Any]:
        queries = [_query(recipe, number) for number in range(_QUERIES)]
        with run.progress.task(f"timing {len(graphs)} artifacts, rounds", _ROUNDS) as task:
            section = latency_section(
                graphs,
                default=default_artifact(graphs),
                crops=np.asarray(FaceSet.load(held_out.folder).images[:_CROPS]),
                queries=queries,
                seconds=recipe.bench.seconds,
                on_round=task.advance,
            )
        write_json(folder / "latency.json", section.to_json())
        return {}

    return run.stage("bench", recipe.bench.model_dump(mode="json"), [held_out, *after], work)


def default_artifact(graphs: dict[str, Path]) -> str:
    """What a CPU device should run: the integer graph where there is one."""
    return "int8-cpu" if "int8-cpu" in graphs else next(iter(graphs))


def _query(recipe: Recipe, number: int) -> tuple[Any, Any]:
    """Two camera pictures of one person, with landmarks, as a door would see them."""
    renderer = FaceRenderer(recipe.data.seed)
    first, second = (renderer.render_scene(-1 - number, sample, _SCENE) for sample in (0, 1))
    return (_jpeg(first.image), first.landmarks), (_jpeg(second.image), second.landmarks)


def _jpeg(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90)
    return stream.getvalue()
