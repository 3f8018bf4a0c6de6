import json
from pathlib import Path

import pytest
import torch
from tiny_school import PEOPLE, run_in, tiny_recipe

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.learn.faces import train_faces_stage
from embedge.pipeline.stages.learn.head import (
    HeadFacts,
    School,
    head_of,
    head_stage,
    save_any_head,
    school_cache,
)
from embedge.pipeline.stages.learn.teacher import teacher_of, teacher_stage
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of arcface_torch without its classifier."""
    path = tmp_path_factory.mktemp("headless") / "model.pt"
    with seeded(2):
        torch.save(mobilefacenet(8, scale=1).state_dict(), path)
    return path


def of_file(path: Path, **more: object) -> Recipe:
    return tiny_recipe(teacher__source="file", teacher__file=str(path), **more)


def test_a_teacher_lends_its_own_rows(school: School) -> None:
    facts = school.head.read(HeadFacts)
    assert facts == HeadFacts("the teacher's own classifier", PEOPLE)
    assert torch.equal(head_of(school.head), teacher_of(school.teacher).head)


def test_centres_are_recovered_and_refined_where_there_are_none(
    tmp_path: Path, headless: Path
) -> None:
    heads = []
    for steps in (0, 3):
        run = run_in(tmp_path / str(steps))
        recipe = of_file(headless, teacher__probe_steps=steps)
        faces = train_faces_stage(run, recipe)
        teacher = teacher_stage(run, recipe, faces)
        stage = head_stage(run, recipe, faces, teacher)
        facts = stage.read(HeadFacts)
        assert facts.recovered is not None
        assert (f"{steps} steps" in facts.source) == (steps > 0)
        assert json.loads((stage.folder / "centres.json").read_text())["classes"] == PEOPLE
        heads.append(head_of(stage))
        torch.testing.assert_close(heads[-1].norm(dim=1), torch.ones(PEOPLE))
        # its mirrored side is there already: no second cache is asked for
        assert "cache" not in run.reused
        school_cache(run, recipe, School(faces, teacher, stage))
        assert "cache" in run.reused
    assert not torch.allclose(heads[0], heads[1])


def test_any_head_has_the_right_size(tmp_path: Path) -> None:
    assert save_any_head(tmp_path, 7, 3).classes == 7
    assert (tmp_path / "head.safetensors").is_file()
