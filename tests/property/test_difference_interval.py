"""An interval of a difference knows no more than its people do, and is monotone in what turned."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedge.calibration.intervals.people import net_interval

PICTURES = 6.0
Turned = st.lists(st.integers(-6, 6), min_size=2, max_size=40)


def reached(net: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    found = net_interval(np.full(len(net), PICTURES), net, seed=seed)
    return found.low, found.high


@settings(deadline=None, max_examples=60)
@given(Turned)
def test_it_holds_the_difference_and_is_never_a_point(turned: list[int]) -> None:
    net = np.asarray(turned, np.float64)
    low, high = reached(net)
    assert -1 <= low <= net.sum() / (PICTURES * len(net)) <= high <= 1
    assert high - low > 0.5 * (1 - 0.025 ** (1 / len(net)))


@settings(deadline=None, max_examples=60)
@given(Turned, st.integers(0, 39), st.integers(1, 6))
def test_a_comparison_more_that_turned_never_lowers_an_end(
    turned: list[int], who: int, more: int
) -> None:
    net = np.asarray(turned, np.float64)
    worse = net.copy()
    worse[who % len(net)] = min(6.0, worse[who % len(net)] + more)
    (low, high), (its_low, its_high) = reached(net), reached(worse)
    assert its_low >= low
    assert its_high >= high


@settings(deadline=None, max_examples=60)
@given(Turned)
def test_what_is_lost_one_way_is_gained_the_other(turned: list[int]) -> None:
    net = np.asarray(turned, np.float64)
    (low, high), (back_low, back_high) = reached(net), reached(-net)
    assert abs(low + back_high) < 1e-6
    assert abs(high + back_low) < 1e-6


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=20), st.integers(2, 4))
def test_fewer_people_of_the_same_kind_never_say_more(turned: list[int], times: int) -> None:
    net = np.asarray(turned, np.float64)
    few, many = reached(net), reached(np.tile(net, times))
    noise = 0.04  # of the draws, which are others for more people
    assert many[1] - many[0] <= (1 + noise) * (few[1] - few[0])


def test_it_covers_the_truth_where_losses_are_rare_and_sit_in_few_people() -> None:
    """Two people in a hundred lose a third of their pictures, one gains a sixth of his."""
    generator, missed = np.random.default_rng(77), {"low": 0, "high": 0}
    truth, trials = 0.02 / 3 - 0.01 / 6, 600
    for seed in range(trials):
        kind = generator.random(60)
        share = np.where(kind < 0.02, 1 / 3, 0.0) - np.where(kind > 0.99, 1 / 6, 0.0)
        net = np.sign(share) * generator.binomial(6, np.abs(share))
        low, high = reached(net, seed)
        missed["high"] += high < truth
        missed["low"] += low > truth
    assert missed["high"] <= 0.05 * trials
    assert missed["low"] <= 0.05 * trials


@given(st.integers(5, 60), st.data())
@settings(deadline=None, max_examples=20)
def test_people_who_lose_everything_or_nothing_have_the_bound_of_clopper_and_pearson(
    people: int, data: st.DataObject
) -> None:
    from scipy import stats

    losing = data.draw(st.integers(0, people - 1))
    net = np.where(np.arange(people) < losing, PICTURES, 0.0)
    _, high = reached(net)
    assert abs(high - stats.beta.ppf(0.975, losing + 1, people - losing)) < 0.03
