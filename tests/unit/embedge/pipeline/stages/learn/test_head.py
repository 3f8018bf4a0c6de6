import json
from pathlib import Path

import pytest
import torch
from tiny_school import PEOPLE, run_in, tiny_recipe

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.learn import head
from embedge.pipeline.stages.learn.faces import faces_of, train_faces_stage
from embedge.pipeline.stages.learn.head import (
    HeadFacts,
    School,
    head_of,
    head_stage,
    save_any_head,
    school_cache,
)
from embedge.pipeline.stages.learn.shaping import learning_stages, school_of
from embedge.pipeline.stages.learn.students import StudentFacts
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


def test_from_scratch_nobody_is_asked_for_centres(tmp_path: Path, headless: Path) -> None:
    run, recipe = run_in(tmp_path), of_file(headless, distill__method="scratch")
    faces = train_faces_stage(run, recipe)
    teacher = teacher_stage(run, recipe, faces)
    facts = head_stage(run, recipe, faces, teacher).read(HeadFacts)
    assert (facts.classes, facts.recovered) == (PEOPLE, None)
    school, _ = school_of(run, recipe)
    stages = learning_stages(run, recipe, "scratch", school)
    assert stages["student"].read(StudentFacts).dim == 8
    assert not [path for path in (tmp_path / "stages").iterdir() if path.name.startswith("cache")]
    borrowed, _ = school_of(run, recipe, ["scratch", "proxyless"])
    assert head_of(borrowed.head).shape == (PEOPLE, 8)


def test_any_head_has_the_right_size(tmp_path: Path) -> None:
    assert save_any_head(tmp_path, 7, 3).classes == 7
    assert (tmp_path / "head.safetensors").is_file()


def test_people_from_beside_get_centres_next_to_the_classifier_of_the_data_set(
    tmp_path: Path, headless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards name the people of the data set, held-out ones included, and none of the others."""
    with seeded(4):
        rows = torch.nn.functional.normalize(torch.randn(5, 8))
    torch.save({"state_dict_softmax_fc": {"weight": rows}}, tmp_path / "checkpoint_gpu_0.pt")
    monkeypatch.setattr(head, "_RECOGNISED", 0.0)  # a teacher that learnt nothing
    run = run_in(tmp_path / "run")
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "data": {"source": "rendered:5x3", "extra": ["rendered:2x4@9"], "held_out": 2},
            "teacher": {
                "source": "file",
                "file": str(headless),
                "head_shards": [str(tmp_path / "checkpoint_gpu_0.pt")],
            },
        }
    )
    faces = train_faces_stage(run, recipe)
    teacher = teacher_stage(run, recipe, faces)
    stage = head_stage(run, recipe, faces, teacher)
    found = head_of(stage)
    assert found.shape == (3 + 2, 8)
    kept = faces_of(faces).parts[0].kept  # type: ignore[attr-defined]
    torch.testing.assert_close(found[:3], rows[kept], rtol=0, atol=1e-3)
    torch.testing.assert_close(found[3:].norm(dim=1), torch.ones(2))
    facts = stage.read(HeadFacts)
    assert (facts.classes, "own classifier of 3 people" in facts.source) == (5, True)
    assert facts.recovered is not None
    assert facts.recovered.startswith("2 classes of 4 to 4")
