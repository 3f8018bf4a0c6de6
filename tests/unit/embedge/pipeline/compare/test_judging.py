"""Whoever chose a checkpoint is nobody's judge."""

from pathlib import Path

import numpy as np
import pytest
from face_sets import face_set

from embedge.pipeline.compare.judging import Strangers
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import checks_of
from embedge.pipeline.stages.learn.head import School
from embedge.progress import Progress


def recipe(seed: int) -> Recipe:
    student = {"train": {"evaluate_every": 5}}
    return Recipe.model_validate({"name": "x", "seed": seed, "student": student})


@pytest.fixture
def held_out(tmp_path: Path) -> Stage:
    face_set().save(tmp_path / "held-out")
    return Stage("held-out", "0", tmp_path / "held-out", {})


@pytest.mark.parametrize("seed", range(6))
def test_students_of_every_seed_are_watched_on_the_same_people(
    seed: int, held_out: Stage, tmp_path: Path
) -> None:
    """A comparison of methods trains with many seeds and judges all on the same strangers."""
    run = Run(tmp_path / "run", Progress(quiet=True))
    school = School(held_out, held_out, held_out)
    watch = checks_of(run, recipe(seed), school, held_out, (), shares=False)
    assert watch is not None
    judges = set(Strangers(run, recipe(0), held_out, checked=True).labels().tolist())
    assert judges
    assert not judges & set(watch.faces.labels.tolist())


def test_where_nobody_chose_everybody_judges(held_out: Stage, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", Progress(quiet=True))
    faces = face_set()
    labels = Strangers(run, recipe(0), held_out, checked=False).labels()
    np.testing.assert_array_equal(labels, faces.labels)
