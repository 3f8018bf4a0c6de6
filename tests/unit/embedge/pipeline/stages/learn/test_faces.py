from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, face_folder
from tiny_school import run_in, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage, train_faces_stage


def test_rendered_strangers_are_other_people(run: Run, recipe: Recipe) -> None:
    learnt, held = (faces_of(stage(run, recipe)) for stage in (train_faces_stage, held_out_stage))
    assert (len(learnt), len(held)) == (20, 12)
    assert not set(learnt.identities) & set(held.identities)


def test_nobody_of_a_data_set_is_on_both_sides(tmp_path: Path) -> None:
    source = str(face_folder(tmp_path / "faces"))
    recipe = tiny_recipe(data__source=source, data__held_out=2, data__held_out_per_identity=3)
    run = run_in(tmp_path / "run")
    learnt, held = (faces_of(stage(run, recipe)) for stage in (train_faces_stage, held_out_stage))
    assert sorted(learnt.identities + held.identities) == [f"p{n}" for n in range(PEOPLE)]
    assert len(learnt) == (PEOPLE - 2) * EACH
    assert np.bincount(held.labels).tolist() == [3, 3]


def test_more_faces_need_a_data_set_to_stand_beside(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-RECIPE-KEY.*data\.extra"):
        train_faces_stage(run_in(tmp_path), tiny_recipe(data__extra=["more"]))


def test_a_held_out_picture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    source = face_folder(tmp_path / "faces")
    recipe = tiny_recipe(data__source=str(source), data__held_out=2, data__held_out_per_identity=3)
    first = held_out_stage(run_in(tmp_path / "sound"), recipe)
    assert first.facts["failed"] == {}
    person = faces_of(first).identities[0]
    (source / person / "0.jpg").write_bytes(b"no picture")
    found = held_out_stage(run_in(tmp_path / "run"), recipe)
    assert found.facts["images"] == 5
    ((name, why),) = found.facts["failed"].items()
    assert f"{person}/0.jpg" in name
    assert why


@pytest.mark.parametrize("person", [0, 1])
def test_nothing_stands_in_for_held_out_pictures_that_cannot_be_read(
    tmp_path: Path, person: int
) -> None:
    source = face_folder(tmp_path / "faces")
    recipe = tiny_recipe(data__source=str(source), data__held_out=2, data__held_out_per_identity=3)
    sound = faces_of(held_out_stage(run_in(tmp_path / "sound"), recipe))
    for picture in (source / sound.identities[person]).iterdir():
        picture.write_bytes(b"")
    found = held_out_stage(run_in(tmp_path / "run"), recipe)
    left = faces_of(found)
    assert len(found.facts["failed"]) == 3
    assert left.labels.tolist() == [1 - person] * 3
    np.testing.assert_array_equal(left.images, sound.images[sound.labels == 1 - person])


def test_held_out_people_are_not_learnt_from_beside_the_data_set(tmp_path: Path) -> None:
    source = str(face_folder(tmp_path / "faces"))
    for labels in ("people", "none"):
        recipe = tiny_recipe(
            data__source=source, data__held_out=2, data__extra=[source], data__labels=labels
        )
        with pytest.raises(EmbedgeError, match="E-DATA-SHARED"):
            train_faces_stage(run_in(tmp_path / labels), recipe)


def test_a_picture_that_none_of_the_fingerprint_is_of_may_not_change_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedge.train.data.sources.folder.sampled", lambda _: [0])
    source = face_folder(tmp_path / "faces")
    recipe = tiny_recipe(data__source=str(source), data__held_out=2)
    run = run_in(tmp_path / "run")
    train_faces_stage(run, recipe)
    train_faces_stage(run, recipe)
    (source / "p3" / "1.jpg").write_bytes(b"other")
    with pytest.raises(EmbedgeError, match="E-DATA-CHANGED"):
        train_faces_stage(run, recipe)
