"""What a picture costs is counted without computing anything."""

import pytest

from embedge.pipeline.budget.networks import student_cost, teacher_cost
from embedge.pipeline.recipe_file import load_recipe


def test_networks_are_counted_without_computing():
    recipe = load_recipe("ms1mv3-th-kd", planned=True)
    assert teacher_cost(recipe).macs == pytest.approx(12.1e9, rel=0.01)
    student = student_cost(recipe, 512)
    assert (student.parameters, student.macs) == (1_200_512, 221_161_984)


def test_a_teacher_of_the_recipes_own_is_counted_as_it_will_be():
    recipe = load_recipe("rendered", planned=True)
    found = teacher_cost(recipe)
    assert (found.name, found.dim) == ("r18", 512)
    assert found.layers > 50
    assert found.numbers > 1e6
