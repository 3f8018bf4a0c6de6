from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_school import run_in, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Teacher
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import HeadFacts, School, head_of
from embedge.pipeline.stages.learn.shaping import learning_stages, school_of
from embedge.pipeline.stages.learn.students import OWN_HEAD, StudentFacts
from embedge.pipeline.stages.learn.teacher import TeacherFacts, teacher_of
from embedge.train.loop.curves import Curves
from embedge.train.methods import Method
from embedge.train.teachers.making import shape


def test_a_reduced_school_keeps_most_of_the_head(run: Run) -> None:
    school, original = school_of(run, tiny_recipe(student__dim=3, student__dims="pca"))
    assert original is not None
    assert (school.teacher.name, school.head.name) == ("teacher-reduced", "head-reduced")
    assert teacher_of(school.teacher).dim == 3
    assert head_of(school.head).shape[1] == 3
    assert school.head.read(HeadFacts).reduced == 3
    held = school.teacher.read(TeacherFacts).held
    assert held is not None
    assert 3 / 8 < held < 1


@pytest.mark.parametrize("shape", ["map", "network"])
def test_the_shaped_teacher_speaks_through_the_first_students_head(
    run: Run, school: School, shape: str
) -> None:
    recipe = tiny_recipe(distill__shape=shape)
    stages = learning_stages(run, recipe, "sh-kd", school)
    assert list(stages) == [
        "faces", "teacher", "head", "baseline", "student", "original-teacher",
    ]  # fmt: skip
    assert stages["original-teacher"] is school.teacher
    own = torch.nn.functional.normalize(head_of(stages["baseline"], OWN_HEAD))
    assert torch.equal(head_of(stages["head"]), own)
    images = np.asarray(faces_of(school.faces).images[:3])
    names = stages["head"].read(HeadFacts).names
    assert names is not None
    assert list(names) == ["first student", "teacher before", "teacher shaped"]
    assert all(0 <= share <= 1 for share in names.values())
    shaped, before = (teacher_of(stages[name]) for name in ("teacher", "original-teacher"))
    assert shaped.kind == ("mapped torch" if shape == "map" else "torch")
    assert not np.allclose(shaped.features(images), before.features(images))


@pytest.mark.parametrize("wanted", ["map", "network"])
def test_it_is_shaped_against_the_head_as_the_recipe_holds_it(
    run: Run, school: School, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, seen = shape.fit, []

    def noted(
        name: str, network: object, method: Method, *given: object, **named: object
    ) -> Curves:
        seen.append(method)
        return plain(name, network, method, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(shape, "fit", noted)
    recipe = tiny_recipe(distill__shape=wanted, distill__head_dtype="bf16", distill__logits_mb=7)
    learning_stages(run, recipe, "sh-kd", school)
    (method,) = seen
    assert method.shared.rows.dtype == torch.bfloat16  # type: ignore[union-attr]
    assert method.weights.logits_mb == 7


@pytest.mark.parametrize("first", ["l2e", "kd"])
def test_the_first_student_may_learn_from_the_teacher(run: Run, school: School, first: str) -> None:
    recipe = tiny_recipe(distill__first=first, distill__first_part=2)
    stages = learning_stages(run, recipe, "sh-kd", school)
    assert stages["baseline"].name == f"student-{first}"
    assert stages["baseline"].read(StudentFacts).curves["step"][-1] == 4
    own = torch.nn.functional.normalize(head_of(stages["baseline"], OWN_HEAD))
    assert torch.equal(head_of(stages["head"]), own)


def test_a_graph_is_mapped_and_a_network_is_trained_unless_told() -> None:
    opens = [
        Teacher(source="train"),
        Teacher(source="shipped"),
        Teacher(source="file", file="t.pt"),
        Teacher(source="file", file="t.safetensors"),
    ]
    graphs = [
        Teacher(source="file", file="t.onnx"),
        Teacher(source="file", file="insightface:buffalo_l"),
    ]
    assert all(teacher.opens for teacher in opens)
    assert not any(teacher.opens for teacher in graphs)


def test_auto_trains_this_teacher_again(run: Run, school: School) -> None:
    stages = learning_stages(run, tiny_recipe(), "sh-kd", school)
    assert teacher_of(stages["teacher"]).kind == "torch"


def test_a_teacher_behind_a_map_is_not_mapped_again(tmp_path: Path) -> None:
    recipe = tiny_recipe(student__dim=3, student__dims="pca", distill__shape="map")
    run = run_in(tmp_path)
    school, original = school_of(run, recipe)
    with pytest.raises(EmbedgeError, match="E-TEACHER-FROZEN"):
        learning_stages(run, recipe, "sh-kd", school, original)


def test_a_baseline_stands_beside_the_student_unless_told(run: Run, school: School) -> None:
    alone = tiny_recipe(distill__baseline=False)
    assert "baseline" not in learning_stages(run, alone, "proxyless", school)
    assert "baseline" in learning_stages(run, tiny_recipe(), "proxyless", school)
