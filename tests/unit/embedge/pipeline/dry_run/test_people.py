"""What the dry run says of the held-out people is what the run would say, and the cure is one."""

import re

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_school import SCHEDULE, tiny_recipe

from embedge.calibration.people.carrying import carries
from embedge.calibration.people.splits import roles_of
from embedge.errors import EmbedgeError
from embedge.pipeline.dry_run.people import people_lines
from embedge.pipeline.recipe import Recipe


def recipe(held_out: int, **more: object) -> Recipe:
    return tiny_recipe(data__held_out=held_out, **more)


def test_the_rate_that_is_not_carried_is_named_with_how_many_it_takes() -> None:
    told = people_lines(recipe(120))
    assert told[0] == "people    of 120 held out 60 are judged, 60 set thresholds"
    assert "the 60 who set thresholds carry FMR 0.01, not 0.001: hold out 156" in told[1]
    assert "the 60 who are judged carry FMR 0.01, not 0.0001: hold out 491" in told[-1]


@pytest.mark.parametrize("watched", [False, True])
def test_with_so_many_nothing_is_short(watched: bool) -> None:
    train = {**SCHEDULE, "evaluate_every": int(watched)}
    wanted = {"student__train": train, "evaluate__fmrs": [1e-2, 1e-3]}
    told = people_lines(recipe(60, **wanted))
    most = max(int(re.findall(r"hold out (\d+)", line)[0]) for line in told[1:])
    assert people_lines(recipe(most, **wanted))[1:] == []
    assert people_lines(recipe(most - 1, **wanted))[1:] != []
    roles = roles_of(np.arange(most), 0, choosing=watched)
    assert all(carries(int(mask.sum()), 1e-3) for mask in (roles.judge, roles.threshold))


@pytest.mark.parametrize(("held_out", "budget"), [(1, None), (2, 1.0)])
def test_fewer_people_than_roles_are_refused(held_out: int, budget: float | None) -> None:
    with pytest.raises(EmbedgeError, match="E-SUBJECTS"):
        people_lines(recipe(held_out, int8__budget=budget))


@pytest.mark.parametrize("fmrs", [[], [0], [0.1, 1]])
def test_rates_that_are_none_are_mistakes_of_the_recipe(fmrs: list[float]) -> None:
    with pytest.raises(ValidationError, match="fmrs"):
        recipe(120, evaluate__fmrs=fmrs)
