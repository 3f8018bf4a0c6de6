"""A budget follows from its rates, and from the recipe."""

import math

import pytest

from embedge.pipeline.budget.predicting import Amount, Budget, Fleet, Stretch, budget_of
from embedge.pipeline.budget.rates import GPUS, RATES
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.head.passes import kept_bytes

MS1MV3 = Amount(5_179_510, 93_431)


def planned(
    name: str, *overrides: str, gpus: int = 8, cores: int = 96, faces: Amount = MS1MV3
) -> tuple[Budget, Recipe, Fleet]:
    recipe = load_recipe(name, list(overrides), planned=True)
    fleet = Fleet(GPUS["h200"], gpus, cores)
    return budget_of(recipe, fleet, faces), recipe, fleet


def stretch(budget: Budget, what: str) -> Stretch:
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
def test_a_method_takes_its_stretches(
    method: str, more: tuple[str, ...], stretches: list[str]
) -> None:
    budget, _, _ = planned(f"ms1mv3-{method}", *more)
    assert [one.what for one in budget.stretches] == stretches
    assert stretch(budget, "student").pictures == pytest.approx(30 * MS1MV3.pictures, rel=1e-4)
    asked = sum(one.pictures for one in budget.stretches if ASKED in one.what)
    assert budget.disk[ASKED] == asked * 512 * 2


def test_both_sides_are_asked_where_pictures_are_mirrored() -> None:
    both, _, _ = planned("ms1mv3-th-kd", *SHARDS)
    one, _, _ = planned("ms1mv3-th-kd", "--data.flip", "false", *SHARDS)
    assert stretch(both, ASKED).pictures == 2 * stretch(one, ASKED).pictures
    centres, _, _ = planned("ms1mv3-th-kd", "--data.flip", "false")
    assert stretch(centres, ASKED).pictures == 2 * MS1MV3.pictures


def test_few_cores_are_what_holds_it_up() -> None:
    budget, _, _ = planned("ms1mv3-th-kd", cores=8)
    student = stretch(budget, "student")
    assert student.bound == "decoding"
    assert student.rate == 8 * RATES["decode"].value


def test_memory_grows_with_what_a_gpu_holds() -> None:
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


def test_an_ordinary_recipe_is_planned_too() -> None:
    budget, _, _ = planned("rendered", gpus=1, faces=Amount(80_000, 2_000))
    assert next(one.what for one in budget.stretches) == "teacher"


def test_from_scratch_nothing_is_borrowed() -> None:
    alone, _, _ = planned("ms1mv3-scratch")
    taught, _, _ = planned("ms1mv3-th-kd")
    assert alone.memory["shared head"] == 0
    assert taught.memory["shared head"] == MS1MV3.people * 512 * 2


QUICK = ("--student.width", "0.25")
CPU = ("--student.train.device", "cpu")


@pytest.mark.parametrize(
    "said",
    [
        ("--teacher.device", "cpu"),
        ("--teacher.amp", "fp32"),
        ("--student.train.amp", "fp32"),
        ("--student.train.workers", "1"),
        CPU,
        ("--student.train.accumulate", "8"),
        ("--int8.qat.steps", "1000"),
        ("--distill.baseline", "true"),
        ("--distill.baseline", "true", "--distill.baseline_part", "0.1"),
        ("--distill.a", "1"),
        ("--distill.method", "adadistill"),
        ("--distill.adapt_from", "0.5"),
        ("--data.labels", "none", *SHARDS),
    ],
)
def test_every_key_of_a_recipe_that_costs_something_is_seen(said: tuple[str, ...]) -> None:
    plain, _, _ = planned("ms1mv3-th-kd", *QUICK, *(SHARDS if "none" in said else ()))
    changed, _, _ = planned("ms1mv3-th-kd", *QUICK, *said)
    assert changed != plain


def test_a_processor_is_as_fast_as_its_rate() -> None:
    macs = 2 * 96 * RATES["compute"].value
    asked, _, _ = planned("ms1mv3-th-kd", "--teacher.device", "cpu")
    found = stretch(asked, ASKED)
    assert (found.bound, found.rate) == ("the processor", macs / 4 / asked.teacher.macs)
    trained, _, _ = planned("ms1mv3-proxyless", *CPU, gpus=2)
    cost = 6 * trained.student.macs + 2 * 2 * MS1MV3.people * 512
    assert stretch(trained, "student").rate == pytest.approx(macs / 2 / cost)
    assert (trained.memory, trained.total_memory) == ({}, 0)


def test_float32_takes_its_share_of_the_peak() -> None:
    full, _, _ = planned("ms1mv3-th-kd", "--teacher.amp", "fp32")
    half, _, _ = planned("ms1mv3-th-kd")
    ratio = stretch(full, ASKED).rate / stretch(half, ASKED).rate
    assert ratio == pytest.approx(RATES["tf32"].value)


def test_workers_that_were_named_are_those_that_decode() -> None:
    budget, _, _ = planned("ms1mv3-th-kd", "--student.train.workers", "1")
    found = stretch(budget, "student")
    assert (found.bound, found.rate) == ("decoding", 8 * RATES["decode"].value)


def test_training_in_int8_is_one_processs_work() -> None:
    said = ("--int8.qat.steps", "1000", "--int8.qat.batch", "64")
    for gpus in (1, 8):
        budget, _, _ = planned("ms1mv3-th-kd", *said, gpus=gpus)
        found = stretch(budget, "training of int8-trt")
        assert found.pictures == 64_000
        assert found.rates["decoding"] <= 95 * RATES["decode"].value


def test_a_baseline_takes_its_part_and_brings_its_head() -> None:
    said = ("--distill.baseline", "true", "--distill.baseline_part", "0.1")
    budget, _, _ = planned("ms1mv3-proxyless", *said)
    tenth = stretch(budget, "student").pictures / 10
    assert stretch(budget, "baseline").pictures == pytest.approx(tenth, rel=1e-3)
    alone, _, _ = planned("ms1mv3-proxyless")
    key = "weights, gradients, optimizer"
    own = budget.memory[key] - alone.memory[key]
    assert own == pytest.approx(3 * MS1MV3.people * 512 * 4)


def test_a_head_of_its_own_is_counted_only_where_there_is_one() -> None:
    borrowed, _, _ = planned("ms1mv3-th-kd", "--distill.a", "1")
    assert borrowed.memory["weights, gradients, optimizer"] < 20 * 2**20
    assert borrowed.disk["head and checkpoints"] < 250 * 2**20


def test_pictures_without_names_are_asked_about_on_both_sides() -> None:
    budget, _, _ = planned("ms1mv3-th-kd", "--data.labels", "none", "--data.flip", "false", *SHARDS)
    assert stretch(budget, ASKED).pictures == 2 * MS1MV3.pictures


HEAD = {"th-kd": 3 + 2 + 1, "proxyless": 2, "scratch": 3}


@pytest.mark.parametrize("method", HEAD)
def test_a_step_costs_what_its_products_cost(method: str) -> None:
    """By hand: six products of each multiplication in the network, as many of the head's as it is
    read, and what crosses the memory."""
    budget, _, fleet = planned(f"ms1mv3-{method}", gpus=1)
    gpu, people, rows = fleet.gpu, MS1MV3.people, 1024
    student, bandwidth = budget.student, gpu.bandwidth * RATES["memory"].value
    own = student.parameters + (method != "proxyless") * people * 512
    convolutions = max(
        6 * student.macs * rows / (gpu.peak * RATES["iresnet training"].value),
        student.numbers * rows * 2 * 6 / bandwidth,
    )
    head = 2 * HEAD[method] * rows * people * 512 / (gpu.peak * RATES["head"].value)
    logits = kept_bytes(rows, people) / bandwidth
    update = own * 4 * 9 / bandwidth
    seconds = convolutions + head + logits + update
    assert stretch(budget, "student").rates["the GPU"] == pytest.approx(rows / seconds, rel=1e-9)


def test_training_a_teacher_is_bound_by_its_products() -> None:
    """Its network is large beside the memory's traffic: here the six is what decides."""
    budget, recipe, fleet = planned("rendered", "--teacher.train.device", "cuda", gpus=1)
    rows, speed = recipe.teacher.train.batch, fleet.gpu.peak * RATES["iresnet training"].value
    least = 6 * budget.teacher.macs * rows / speed
    found = rows / stretch(budget, "teacher").rates["the GPU"]
    assert least < found < 1.5 * least


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 3), ("adamw", 4)])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_training_holds_its_weights_several_times(
    optimizer: str, copies: int, ema: float
) -> None:
    said = ["--student.train.ema", str(ema)]
    if optimizer == "adamw":
        said += ["--student.train.optimizer", "adamw", "--student.train.momentum", "0.9"]
    budget, _, _ = planned("ms1mv3-proxyless", *said)
    held = budget.student.parameters * 4 * (copies + (ema > 0))
    assert budget.memory["weights, gradients, optimizer"] == held
    assert math.isfinite(budget.seconds)
