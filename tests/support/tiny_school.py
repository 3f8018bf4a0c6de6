"""A run on a handful of rendered people, the smallest there is; what it trains learns nothing."""

from pathlib import Path

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.progress import Progress

__all__ = ["PEOPLE", "SCHEDULE", "run_in", "tiny_recipe"]

PEOPLE = 5
SCHEDULE = {"steps": 2, "batch": 8, "warmup": 0, "amp": "fp32", "checkpoint_every": 1}


def run_in(folder: Path) -> Run:
    return Run(folder, Progress(quiet=True))


def tiny_recipe(**sections: object) -> Recipe:
    """With `teacher__dim=8` for one key of a section."""
    values: dict[str, dict[str, object]] = {
        "data": {
            "identities": PEOPLE,
            "per_identity": 4,
            "held_out": 4,
            "held_out_per_identity": 3,
        },
        "teacher": {"channels": [16, 16, 16, 16], "dim": 8, "train": SCHEDULE},
        "student": {"width": 0.125, "train": SCHEDULE},
        "distill": {"shaping": SCHEDULE},
    }
    for key, value in sections.items():
        section, _, name = key.partition("__")
        values.setdefault(section, {})[name] = value
    return Recipe.model_validate({"name": "tiny", **values})
