"""One source for every number: what training reads are the recipe's own sections."""

import pytest
from pydantic import ValidationError
from tiny_school import tiny_recipe

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.head.margins import Margin
from embedge.train.loop.schedule import Schedule
from embedge.train.methods import Ingredients, Weights


def test_sections_are_what_training_reads() -> None:
    recipe = Recipe(name="r")
    assert isinstance(recipe.student.train, Schedule)
    assert isinstance(recipe.distill.margin, Margin)
    assert isinstance(recipe.distill, Weights)
    made = Ingredients.without_teacher(3, 4, recipe.distill.margin)
    assert all(getattr(recipe.distill, key) == value for key, value in made.weights)


def test_a_section_cannot_be_changed_or_misspelt() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny_recipe().distill.margin.m2 = 0.5  # type: ignore[misc]
    with pytest.raises(ValidationError, match="m4"):
        tiny_recipe(distill__margin={"m4": 1})


def test_json_gives_the_recipe_back() -> None:
    recipe = tiny_recipe(distill__margin={"m2": 0.5, "scale": 16})
    assert Recipe.model_validate(recipe.to_json()) == recipe


def test_a_baseline_takes_its_part_of_the_steps_and_nothing_else_changes() -> None:
    recipe = tiny_recipe(distill__baseline_part=0.25, student__train={"steps": 10, "lr": 0.1})
    shorter = recipe.of_baseline()
    assert shorter.student.train.steps == 2
    assert shorter.student.train.lr == 0.1
    assert shorter.model_copy(update={"student": recipe.student}) == recipe
    whole = tiny_recipe(distill__baseline_part=0.001, student__train={"steps": 10})
    assert whole.of_baseline().student.train.steps == 1


def test_the_recipe_for_pictures_without_names_is_sound() -> None:
    recipe = load_recipe("unlabelled", ["--data.source", "f", "--teacher.file", "t.onnx"])
    assert recipe.data.labels == "none"
    assert recipe.distill.a == 1, "no classifier of its own: it would have a row for each picture"
    assert not recipe.distill.baseline
