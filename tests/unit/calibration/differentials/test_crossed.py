"""FMR within and between groups: against plain loops, in one block or many."""

import numpy as np
import pytest
from paper_oracle import crossed
from two_models import unit

from embedge.calibration.differentials import crossed as module
from embedge.calibration.differentials.crossed import crossed_rates, false_matches
from embedge.calibration.evaluation.figures import Rate

NAMES = ("a", "b", "c")
LIMITS = (0.3, 0.55)


def some(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some pictures of no group, and one person whose pictures are of two."""
    random = np.random.default_rng(seed)
    subjects = random.integers(0, 25, 80)
    groups = np.array([-1, 0, 1, 2, 2])[subjects % 5]
    groups[:4] = 0
    rows = random.normal(size=(25, 8))[subjects] + 0.8 * random.normal(size=(80, 8))
    return unit(rows), subjects, groups


@pytest.mark.parametrize("block", [2048, 7])
def test_against_plain_loops(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    rows, subjects, groups = some()
    (found,) = false_matches(rows, subjects, [(groups, NAMES)], LIMITS)
    named = [NAMES[group] if group >= 0 else "" for group in groups]
    for number, limit in enumerate(LIMITS):
        cells = crossed_rates(found, number)
        assert len(cells) == 6
        for cell in cells:
            told = crossed(
                rows, subjects.tolist(), named, cell.one, cell.other, float(np.float32(limit))
            )
            assert (cell.comparisons, cell.false_matches) == told[:2]
            assert cell.fmr is not None
            measured = (cell.fmr.rate, cell.fmr.low, cell.fmr.high)
            assert measured == pytest.approx(told[2:], abs=1e-12)


def test_without_an_error_only_distinct_pairs_of_people_count() -> None:
    random = np.random.default_rng(1)
    rows = unit(random.normal(size=(2, 64)).repeat(50, 0))
    subjects = np.repeat([0, 1], 50)
    (found,) = false_matches(rows, subjects, [(np.zeros(100, int), ("all",))], [0.99])
    (cell,) = crossed_rates(found, 0)
    assert cell.comparisons == 2500
    assert cell.fmr is not None
    assert cell.fmr.high == pytest.approx(0.975)  # one pair of people: nothing is shown


def test_nobody_to_compare_with_is_no_rate() -> None:
    rows = unit(np.random.default_rng(2).normal(size=(3, 8)))
    (found,) = false_matches(rows, np.arange(3), [(np.array([0, 1, 1]), ("a", "b"))], [0.5])
    assert [cell.fmr is None for cell in crossed_rates(found, 0)] == [True, False, False]


def test_the_interval_covers_the_truth() -> None:
    """People are unequal: some match many others, which widens what the rate may be."""
    rates = [_population(seed, 60) for seed in range(400)]
    truth = float(np.mean([rate.rate for rate in rates]))
    assert np.mean([rate.low <= truth <= rate.high for rate in rates]) >= 0.93
    assert np.mean([rate.high < truth for rate in rates]) <= 0.05


def test_nobody_differs_from_anybody_where_everybody_matches() -> None:
    rows = unit(np.ones((6, 8)))
    (found,) = false_matches(rows, np.arange(6), [(np.zeros(6, int), ("all",))], [0.5])
    (cell,) = crossed_rates(found, 0)
    assert cell.fmr is not None
    assert (cell.false_matches, cell.fmr.rate, cell.fmr.high) == (15, 1.0, 1.0)


def _population(seed: int, people: int) -> Rate:
    random = np.random.default_rng(1000 + seed)
    strength = random.gamma(0.5, 0.6, size=(people, 1))  # wolves: near to everybody
    rows = unit(random.normal(size=(people, 24)) + strength)
    (found,) = false_matches(rows, np.arange(people), [(np.zeros(people, int), ("all",))], [0.5])
    (cell,) = crossed_rates(found, 0)
    assert cell.fmr is not None
    return cell.fmr
