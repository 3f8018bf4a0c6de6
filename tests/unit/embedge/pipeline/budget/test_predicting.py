"""A budget follows from its rates, and from the recipe."""

import pytest

from embedge.pipeline.budget.predicting import Faces, Fleet, budget_of
from embedge.pipeline.budget.rates import GPUS, RATES
from embedge.pipeline.recipe_file import load_recipe

MS1MV3 = Faces(5_179_510, 93_431)


def planned(name, *overrides, gpus=8, cores=96, faces=MS1MV3):
    recipe = load_recipe(name, list(overrides), planned=True)
    fleet = Fleet(GPUS["h200"], gpus, cores)
    return budget_of(recipe, fleet, faces), recipe, fleet


def stretch(budget, what):
    (found,) = [one for one in budget.stretches if one.what == what]
    return found


SHARDS = ("--teacher.head_shards", "[w.pt]")
ASKED, TAUGHT = "teacher's embeddings", ["student", "evaluation"]


@pytest.mark.parametrize(
    ("method", "more", "stretches"),
    [
        ("th-kd", SHARDS, [ASKED, *TAUGHT]),
        ("th-kd", (), [ASKED, *TAUGHT]),
        ("proxyless", SHARDS, TAUGHT),
        ("proxyless", (), [ASKED, *TAUGHT]),
        ("scratch", SHARDS, TAUGHT),
        ("scratch", (), TAUGHT),
        ("sh-kd", SHARDS, ["first student", "teacher, shaped", f"shaped {ASKED}", *TAUGHT]),
        ("sh-kd", (), [ASKED, "first student", "teacher, shaped", f"shaped {ASKED}", *TAUGHT]),
    ],
)
def test_a_method_takes_its_stretches(method, more, stretches):
    budget, _, _ = planned(f"ms1mv3-{method}", *more)
    assert [one.what for one in budget.stretches] == stretches
    assert stretch(budget, "student").pictures == pytest.approx(30 * MS1MV3.pictures, rel=1e-4)
    asked = sum(one.pictures for one in budget.stretches if ASKED in one.what)
    assert budget.disk[ASKED] == asked * 512 * 2


def test_both_sides_are_asked_where_pictures_are_mirrored():
    both, _, _ = planned("ms1mv3-th-kd", *SHARDS)
    one, _, _ = planned("ms1mv3-th-kd", "--data.flip", "false", *SHARDS)
    assert stretch(both, ASKED).pictures == 2 * stretch(one, ASKED).pictures
    centres, _, _ = planned("ms1mv3-th-kd", "--data.flip", "false")
    assert stretch(centres, ASKED).pictures == 2 * MS1MV3.pictures


def test_few_cores_are_what_holds_it_up():
    budget, _, _ = planned("ms1mv3-th-kd", cores=8)
    student = stretch(budget, "student")
    assert student.bound == "decoding"
    assert student.rate == 8 * RATES["decode"].value


def test_memory_grows_with_what_a_gpu_holds():
    eight, _, _ = planned("ms1mv3-th-kd")
    one, _, _ = planned("ms1mv3-th-kd", gpus=1)
    assert one.memory["activations"] == 8 * eight.memory["activations"]
    assert eight.memory["activations"] == eight.student.numbers * 1024 / 8 * 2, "halves"
    full, _, _ = planned("ms1mv3-th-kd", "--student.train.amp", "fp32")
    assert full.memory["activations"] == 2 * eight.memory["activations"]
    parts, _, _ = planned("ms1mv3-th-kd", "--student.train.accumulate", "4")
    assert parts.memory["activations"] == eight.memory["activations"] / 4
    proxyless, _, _ = planned("ms1mv3-proxyless")
    key = "weights, gradients, optimizer"
    own = eight.memory[key] - proxyless.memory[key]
    assert own == pytest.approx(3 * MS1MV3.people * 512 * 4), "an own head, and what learns it"


def test_an_ordinary_recipe_is_planned_too():
    budget, _, _ = planned("rendered", gpus=1, faces=Faces(80_000, 2_000))
    assert next(one.what for one in budget.stretches) == "teacher"


def test_from_scratch_nothing_is_borrowed():
    alone, _, _ = planned("ms1mv3-scratch")
    taught, _, _ = planned("ms1mv3-th-kd")
    assert alone.memory["shared head"] == 0
    assert taught.memory["shared head"] == MS1MV3.people * 512 * 2
