"""Whoever chose a checkpoint is nobody's judge."""

from pathlib import Path

import numpy as np
import pytest
from face_sets import face_set

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject
from embedge.pipeline.compare.judging import Strangers, rounds_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import checks_of
from embedge.pipeline.stages.learn.head import School
from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows


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


def test_the_rounds_that_are_kept_are_those_of_the_rates(
    held_out: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def subject(name: str, dim: int) -> Subject:
        rows = np.random.default_rng(dim).normal(size=(len(face_set()), dim)).astype(np.float32)
        return Subject(Side(name), unit_rows(rows))

    asked = recipe(0)
    asked = asked.model_copy(
        update={"evaluate": asked.evaluate.model_copy(update={"fmrs": (0.1, 1e-4)})}
    )
    strangers = Strangers(Run(tmp_path / "run", Progress(quiet=True)), asked, held_out, False)
    for dim, metrics in ((8, ("student", "cross-space")), (16, ("student",))):  # other spaces
        monkeypatch.setattr(Strangers, "_taught", lambda *_: subject("teacher", 8))
        monkeypatch.setattr(Strangers, "_learnt", lambda *_, of=dim: subject("student", of))
        judged = strangers.student(f"any-{dim}", asked, held_out, held_out)
        found = rounds_of(judged)
        assert sorted(found) == sorted(f"{metric}/0.1" for metric in metrics)
        for metric in metrics:
            share = found[f"{metric}/0.1"].accepted.sum() / found[f"{metric}/0.1"].comparisons.sum()
            assert judged.facts[metric]["tar"]["0.1"] == pytest.approx(share)
            assert judged.facts[metric]["tar"]["0.0001"] is None
