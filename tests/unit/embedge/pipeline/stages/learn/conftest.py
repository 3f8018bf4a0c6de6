"""One school for all: five rendered people and a teacher that was trained on them for two steps."""

import pytest
from tiny_school import run_in, tiny_recipe

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.shaping import school_of


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return tiny_recipe()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_in(tmp_path_factory.mktemp("school") / "run")


@pytest.fixture(scope="session")
def school(run: Run, recipe: Recipe) -> School:
    found, original = school_of(run, recipe)
    assert original is None
    return found
