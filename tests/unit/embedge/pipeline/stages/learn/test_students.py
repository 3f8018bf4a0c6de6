import numpy as np
import pytest
import torch
from tiny_school import PEOPLE, tiny_recipe

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.head import School, head_of
from embedge.pipeline.stages.learn.students import (
    OWN_HEAD,
    StudentFacts,
    Teaching,
    load_student,
    shares_space,
    student_stage,
)
from embedge.train.data.feeding.batches import pixels


def test_a_student_from_scratch_brings_weights_and_a_head_of_its_own(
    run: Run, recipe: Recipe, school: School
) -> None:
    stage = student_stage(run, recipe, "scratch", school)
    facts = stage.read(StudentFacts)
    assert (facts.dim, facts.shares_space, facts.watch) == (8, False, None)
    assert facts.curves["step"] == [2]
    assert not shares_space(stage)
    assert head_of(stage, OWN_HEAD).shape == (PEOPLE, 8)
    first, again = (load_student(recipe, stage) for _ in range(2))
    picture = pixels(np.full((1, 112, 112, 3), 90, np.uint8))
    with torch.inference_mode():
        assert first(picture).shape == (1, 8)
        assert torch.equal(first(picture), again(picture))


@pytest.mark.parametrize(
    ("method", "after", "shares"),
    [
        ("scratch", ["faces"], False),
        ("proxyless", ["faces", "head"], True),
        ("th-kd", ["faces", "head", "cache"], True),
        ("rkd", ["faces", "head", "cache"], False),
    ],
)
def test_a_method_is_taught_from_what_it_needs(
    run: Run, recipe: Recipe, school: School, method: str, after: list[str], shares: bool
) -> None:
    teaching = Teaching.of(run, recipe, method, school)
    assert [stage.name for stage in teaching.stages] == after
    assert teaching.shares == shares
    assert teaching.taught == (method != "scratch")
    assert (teaching.lesson().teacher is not None) == ("cache" in after)


def test_only_what_a_method_depends_on_trains_it_again(run: Run, school: School) -> None:
    changed = {}
    for method in ("scratch", "l2e"):
        one, other = (
            Teaching.of(run, tiny_recipe(distill__beta=beta), method, school).inputs
            for beta in (1, 2)
        )
        changed[method] = one != other
    assert changed == {"scratch": False, "l2e": True}


def test_another_dimension_is_never_silent(run: Run, school: School) -> None:
    with pytest.raises(
        EmbedgeError, match=r"student\.dim is 4 but the teacher's embeddings have 8"
    ):
        Teaching.of(run, tiny_recipe(student__dim=4), "th-kd", school)
    lifted = tiny_recipe(student__dim=4, student__dims="projection")
    teaching = Teaching.of(run, lifted, "th-kd", school)
    assert (teaching.lift_from, teaching.ingredients.dim, teaching.shares) == (4, 8, False)
    assert Teaching.of(run, tiny_recipe(student__dim=4), "scratch", school).ingredients.dim == 4
