from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, face_folder
from tiny_school import SCHEDULE, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.checks import (
    checks_of,
    require_comparisons,
    roles_in,
    verification_sets,
)
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage
from embedge.pipeline.stages.learn.head import School


def test_those_who_choose_do_nothing_else(run: Run, school: School) -> None:
    recipe = tiny_recipe(student__train={**SCHEDULE, "evaluate_every": 1, "patience": 2})
    held_out = held_out_stage(run, recipe)
    watch = checks_of(run, recipe, school, held_out, (), shares=True)
    assert watch is not None
    assert (watch.every, watch.patience) == (1, 2)
    labels = faces_of(held_out).labels
    roles = roles_in(faces_of(held_out), recipe)
    assert set(watch.faces.labels) == set(labels[roles.choose])
    assert not set(watch.faces.labels) & set(labels[roles.judge | roles.threshold])
    assert np.shape(watch.teacher) == (len(watch.faces), 8)
    assert checks_of(run, recipe, school, None, (), shares=True) is None


def test_sets_that_nobody_would_look_at_are_refused() -> None:
    with pytest.raises(EmbedgeError, match=r"student\.train\.evaluate_every is 0"):
        verification_sets(tiny_recipe(data__verification=["lfw.bin"]))


def test_judging_wants_somebody_who_is_seen_twice(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    of_folder = tiny_recipe(data__source=str(folder), data__held_out=2)
    require_comparisons(of_folder)
    require_comparisons(tiny_recipe())
    once = of_folder.data.model_copy(update={"held_out_per_identity": 1})
    for recipe in (
        of_folder.model_copy(update={"data": once}),
        tiny_recipe(data__held_out_per_identity=1),
    ):
        with pytest.raises(EmbedgeError, match=r"E-SUBJECTS.*has one picture"):
            require_comparisons(recipe)
    for person in range(PEOPLE):
        for number in range(1, EACH):
            (folder / f"p{person}" / f"{number}.jpg").unlink()
    with pytest.raises(EmbedgeError, match=r"E-SUBJECTS.*has one picture"):
        require_comparisons(of_folder)
