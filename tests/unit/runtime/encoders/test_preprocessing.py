"""What a network is fed by name reaches its contract, and changes nothing else of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.runtime.encoders.preprocessing import FEEDINGS, PREPROCESSING


@pytest.mark.parametrize("name", FEEDINGS)
def test_a_contract_is_fed_by_name_and_stays_what_it_was(name: str) -> None:
    contract, feeding = tiny_contract(), FEEDINGS[name]
    fed = feeding.of(contract)
    assert (fed.colour, fed.mean, fed.std) == (feeding.colour, feeding.mean, feeding.std)
    assert fed.colour.lower() == name.partition("-")[0]
    same: dict[str, Any] = {"colour": contract.colour, "mean": contract.mean, "std": contract.std}
    assert replace(fed, **same) == contract


def test_no_two_feedings_are_the_same() -> None:
    assert len(set(FEEDINGS.values())) == len(FEEDINGS)
    assert set(FEEDINGS) - set(PREPROCESSING) == {"rgb-imagenet"}


def test_a_teacher_is_tried_with_both_colours_on_either_scale() -> None:
    scales = {"scaled": (-1.0, 1.0), "plain": (0.0, 255.0)}
    for name, feeding in PREPROCESSING.items():
        low, high = ((level - np.asarray(feeding.mean)) / feeding.std for level in (0, 255))
        assert (low, high) == scales[name.partition("-")[2]]
    assert len(PREPROCESSING) == 2 * len(scales)
