"""Paired tests: no difference is told where there is none, a true one is found and signed."""

import numpy as np
from classify.paired import told_apart


def answers(
    rng: np.random.Generator, shares: dict[str, float], seeds: int = 3, pictures: int = 2000
) -> dict[str, np.ndarray]:
    """Right answers whose pictures are as hard for everybody."""
    hardness = rng.random(pictures)
    return {
        name: np.stack([hardness + rng.normal(0, 0.2, pictures) < share for _ in range(seeds)])
        for name, share in shares.items()
    }


def test_a_true_difference_is_found_and_the_better_is_named() -> None:
    pairs = told_apart(answers(np.random.default_rng(0), {"a": 0.7, "b": 0.8, "c": 0.8}))
    found = {(one["better"], one["worse"]): one for one in pairs}
    assert found["b", "a"]["told_apart"]
    assert found["c", "a"]["told_apart"]
    assert 5 < found["b", "a"]["points"] < 15
    assert found["b", "a"]["half_width"] < 2.5


def test_equal_ones_are_hardly_ever_told_apart() -> None:
    rng = np.random.default_rng(1)
    shares = dict.fromkeys("abcd", 0.75)
    told = [any(one["told_apart"] for one in told_apart(answers(rng, shares))) for _ in range(60)]
    assert sum(told) <= 6


def test_seeds_that_disagree_tell_nothing() -> None:
    right = answers(np.random.default_rng(2), {"a": 0.6, "b": 0.9})
    right["b"][0] = right["a"][0]
    right["b"][0, :3] = False
    (pair,) = told_apart(right)
    assert pair["points"] > 10
    assert not pair["told_apart"]


def test_the_same_answers_are_no_difference() -> None:
    same = np.ones((2, 50), dtype=bool)
    (pair,) = told_apart({"a": same, "b": same})
    assert (pair["points"], pair["p"], pair["told_apart"]) == (0, 1, False)
