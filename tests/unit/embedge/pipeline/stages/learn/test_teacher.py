from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_school import PEOPLE, run_in, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.teacher import (
    TeacherFacts,
    _taken_onnx,
    some_people,
    teacher_of,
    teacher_stage,
)
from embedge.train.teachers import SHIPPED


def test_a_trained_teacher_knows_the_people_it_was_trained_on(school: School) -> None:
    teacher = teacher_of(school.teacher)
    assert teacher.dim == 8
    assert teacher.identities == faces_of(school.faces).identities
    assert teacher.head is not None
    assert teacher.head.shape == (PEOPLE, 8)
    assert school.teacher.read(TeacherFacts).curves["step"] == [2]


def test_it_is_reused_and_another_seed_is_another_teacher(
    run: Run, recipe: Recipe, school: School
) -> None:
    again = teacher_stage(run, recipe, school.faces)
    assert (again.key, again.facts) == (school.teacher.key, school.teacher.facts)
    assert "teacher" in run.reused
    other = teacher_stage(run, recipe.model_copy(update={"seed": 1}), school.faces)
    assert other.key != school.teacher.key


def test_the_shipped_teacher_is_copied_whole(tmp_path: Path, school: School) -> None:
    recipe = tiny_recipe(teacher__source="shipped")
    stage = teacher_stage(run_in(tmp_path), recipe, school.faces)
    assert (stage.folder / "teacher.safetensors").read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize(
    ("file", "remedy"), [(None, r"--teacher\.file"), ("gone.onnx", r"Check `teacher\.file`")]
)
def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, school: School, file: str | None, remedy: str
) -> None:
    recipe = tiny_recipe(teacher__source="file", teacher__file=file)
    with pytest.raises(EmbedgeError, match=rf"E-TEACHER: .*{remedy}"):
        teacher_stage(run_in(tmp_path), recipe, school.faces)


def test_pictures_to_look_at_are_of_people_who_have_several() -> None:
    labels = np.array([0, 1, 1, 2, 3, 3, 3])
    assert some_people(labels, 100).tolist() == [1, 2, 4, 5, 6]
    assert some_people(labels, 3).tolist() == [1, 2, 4]


def test_a_network_of_another_size_is_no_teacher(tmp_path: Path, school: School) -> None:
    """Nor is anybody told to align faces that a training would not read."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["row"]),
        ],
        "colours",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 160, 160])],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", 3])],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "t.onnx")
    with pytest.raises(EmbedgeError, match=r"E-TEACHER: .*160x160.*112x112.*embedge bundle"):
        _taken_onnx(tmp_path / "t.onnx", tmp_path, None, faces_of(school.faces))
