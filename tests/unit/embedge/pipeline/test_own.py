from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.errors import EmbedgeError
from embedge.pipeline.own import own_overrides, sizes_of
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.teachers import SHIPPED


@given(st.integers(100, 10**6), st.integers(1, 100))
def test_sizes_suit_the_faces(people: int, each: int) -> None:
    sizes = sizes_of(people, people * each)
    assert 50 <= sizes.held_out <= people / 2
    assert sizes.held_out % 2 == 0
    half = sizes.held_out // 2
    assert half * (half - 1) / 2 * sizes.fmr >= 3  # the rule of three, on people
    assert 500 <= sizes.steps <= 20_000
    more = sizes_of(2 * people, 2 * people * each)
    assert (more.held_out, more.steps) >= (sizes.held_out, sizes.steps)
    assert more.fmr <= sizes.fmr


def test_known_sizes() -> None:
    assert [(sizes_of(n, 10 * n).held_out, sizes_of(n, 10 * n).fmr) for n in (200, 700, 3000)] == [
        (50, 1e-2),
        (174, 1e-3),
        (500, 1e-4),
    ]


def test_what_was_given_is_left_alone() -> None:
    given = ["--data.held_out", "30", "--student.train.steps=7"]
    found = own_overrides("rendered:60x2", str(SHIPPED), given)
    assert "--data.held_out" not in found
    assert "--student.train.steps" not in found
    recipe = load_recipe("own", [*found, "--teacher.file", str(SHIPPED), *given])
    assert (recipe.data.held_out, recipe.student.train.steps) == (30, 7)
    assert recipe.teacher.source == "file"
    assert recipe.student.start == "random"  # the shipped teacher is no MobileFaceNet


@pytest.mark.real
def test_a_mobilefacenet_hands_on_its_filters(real: Path) -> None:
    found = own_overrides("rendered:120x2", str(real / "models" / "w600k_mbf.onnx"), [])
    assert "--student.start" in found


def test_too_few_people() -> None:
    with pytest.raises(EmbedgeError, match=r"E-DATA-FEW.*Bring 61 more people"):
        own_overrides("rendered:39x2", str(SHIPPED), [])
