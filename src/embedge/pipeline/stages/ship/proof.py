"""The parity stage: what every artifact is worth, on people nobody was trained on."""

import json
from pathlib import Path
from typing import Any

from embedge.calibration.people.splits import RULES
from embedge.files import write_json
from embedge.pipeline.proving.judging import Operating, Views, parity_result
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import roles_in, somebody_chooses
from embedge.pipeline.stages.ship.parity_result import ParityResult
from embedge.pipeline.stages.ship.views import JudgedStages, views_of
from embedge.progress import Progress
from embedge.train.data import FaceSet
from embedge.typed import plain, structured

__all__ = ["measured", "parity_from_views", "parity_of", "parity_stage"]

_RESULT = "findings.json"
_FORM = 6  # of what is on disk


def parity_stage(
    run: Run, recipe: Recipe, subjects: JudgedStages, graphs: dict[str, Path], after: list[Stage]
) -> Stage:
    """Embed the held-out people with everything, compare, and write what is found down."""

    def work(folder: Path) -> dict[str, Any]:
        faces = FaceSet.load(subjects.held_out.folder)
        views = views_of(recipe, faces, subjects, graphs, run.progress)
        found = parity_from_views(recipe, faces, views, graphs, run.progress)
        write_json(folder / _RESULT, plain(found))
        return {}

    evaluate = recipe.evaluate.model_dump(mode="json")
    split = [recipe.data.seed, somebody_chooses(recipe), RULES]
    inputs = {"evaluate": evaluate, "seed": recipe.seed, "split": split, "form": _FORM}
    return run.stage("parity", inputs, [*subjects.stages, *after], work)


def measured(stage: Stage) -> bool:
    return (stage.folder / _RESULT).is_file()


def parity_of(stage: Stage) -> ParityResult:
    return stage.opened(
        _RESULT, lambda path: structured(ParityResult, json.loads(path.read_text()))
    )


def parity_from_views(
    recipe: Recipe, faces: FaceSet, views: Views, graphs: dict[str, Path], progress: Progress
) -> ParityResult:
    wanted = recipe.evaluate
    operating = Operating(
        tuple(wanted.fmrs), wanted.threshold_fmr, wanted.gate_fmr, recipe.seed, _people(recipe)
    )
    return parity_result(operating, faces, roles_in(faces, recipe), views, graphs, progress)


def _people(recipe: Recipe) -> str:
    """Only of those who are rendered here, for networks trained here, all is known."""
    if recipe.data.source == "rendered" and recipe.teacher.source != "file":
        return ""
    return (
        "people held out by their names (not checked: whether the teacher learnt from them, or any"
        " of them is learnt from under another name)"
    )
