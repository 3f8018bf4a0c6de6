"""The page of a budget, and the same as JSON."""

import re
from typing import Any

import pytest

from embedge.pipeline.budget.predicting import Amount, Fleet, budget_of
from embedge.pipeline.budget.rates import GPUS, RATES
from embedge.pipeline.budget.telling import budget_json, budget_text
from embedge.pipeline.recipe_file import load_recipe

FEW, FLEET = Amount(5_179_510, 93_431), Fleet(GPUS["h200"], 8, 96)


def test_it_says_that_nobody_ran_it_and_where_every_rate_is_from() -> None:
    recipe = load_recipe("ms1mv3-sh-kd", planned=True)
    budget = budget_of(recipe, FLEET, FEW)
    text = budget_text(budget, recipe, FLEET, FEW)
    assert text.splitlines()[0].endswith("predicted, not yet run")
    for name, rate in RATES.items():
        assert f"  {name}: {rate.told}; {rate.source}" in text
    assert "989 TFLOP/s in bfloat16, 4.8 TB/s of memory, 450 GB/s to another; published" in text
    told = re.findall(r"^.{28} *[\d,]* *[\d,]* +(\d+\.\d+)(?:  |$)", text, re.MULTILINE)
    *each, together = map(float, told)
    assert len(each) == len(budget.stretches)
    assert sum(each) == pytest.approx(together, abs=0.005 * len(told)), "in one unit, to add up"
    for one in budget.stretches:
        assert one.what in text
        assert one.bound in text


def test_the_json_adds_up() -> None:
    recipe = load_recipe("ms1mv3-th-kd", planned=True)
    budget = budget_of(recipe, FLEET, FEW)
    found: dict[str, Any] = budget_json(budget, recipe, FLEET, FEW)
    assert (found["state"], found["fits"]) == ("predicted, not yet run", True)
    assert found["seconds"] == sum(one["seconds"] for one in found["stretches"])
