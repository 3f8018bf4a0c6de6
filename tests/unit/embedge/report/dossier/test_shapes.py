"""Verdicts in the shape of two programmes: bounds, people still needed, sources."""

import math

import pytest
from paper_oracle import people_needed
from scipy.stats import beta

from embedge.calibration.rates import people_for
from embedge.report.dossier.shapes import SHAPES, ErrorRates, shaped_verdicts


def upper(errors: float, trials: float) -> float:
    return float(beta.ppf(0.975, errors + 1, trials - errors))


def measured(people: int, *, far: float = 0.0, frr: float = 0.0) -> ErrorRates:
    """As if every pair of people, and every person, were one independent trial."""
    pairs = people * (people - 1) / 2
    ends = upper(far * pairs, pairs), upper(frr * people, people)
    return ErrorRates(people, far, ends[0], frr, ends[1])


@pytest.mark.parametrize("fmr", [0.3, 1e-2, 1e-3, 1e-4, 2e-5])
def test_the_fewest_people_by_trying(fmr: float) -> None:
    assert people_for(fmr) == people_needed(fmr)


def test_without_an_error_the_fewest_people_are_enough() -> None:
    fido, android = shaped_verdicts(measured(273))
    assert (fido.status, fido.more_people, fido.fewest_people) == ("met", 0, 273)
    assert (android.status, android.more_people, android.fewest_people) == ("refused", 335, 608)
    assert [one.status for one in shaped_verdicts(measured(608))] == ["met", "met"]


@pytest.mark.parametrize("people", [2, 30, 272])
def test_too_few_people_are_refused_with_the_number_that_is_missing(people: int) -> None:
    fido, android = shaped_verdicts(measured(people))
    assert (fido.status, fido.more_people) == ("refused", 273 - people)
    assert (android.status, android.more_people) == ("refused", 608 - people)


def test_a_bound_not_reached_yet_asks_for_as_many_as_would_reach_it() -> None:
    people, rate = 400, 6e-5
    fido, _ = shaped_verdicts(measured(people, far=rate))
    assert fido.status == "refused"
    wanted = people + fido.more_people
    for count, holds in ((wanted, True), (wanted - 2, False)):
        trials = count * (count - 1) / 2
        assert (upper(rate * trials, trials) <= 1e-4) == holds


def test_a_rate_beyond_the_bound_is_not_mended_by_people() -> None:
    fido, android = shaped_verdicts(measured(1000, far=2e-4))
    assert (fido.status, fido.more_people) == ("not met", 0)
    assert [one.more_people for one in fido.requirements] == [None, 0]
    rejected = shaped_verdicts(measured(1000, frr=0.2))
    assert [one.status for one in rejected] == ["not met", "not met"]
    assert android.status == "not met"


def test_upper_ends_decide_and_not_the_rates() -> None:
    fido, _ = shaped_verdicts(ErrorRates(10_000, 0.0, 9.9e-5, 0.01, 0.051))
    assert [one.holds for one in fido.requirements] == [True, False]
    assert fido.status == "refused"
    assert math.isclose(fido.requirements[0].upper, 9.9e-5)


def test_every_shape_names_source_edition_and_what_was_not_verified() -> None:
    for shape, verdict in zip(SHAPES, shaped_verdicts(measured(600)), strict=True):
        assert verdict.source == shape.source
        assert verdict.edition
        assert "not verified against the published text" in verdict.verified
        assert verdict.uncovered
    assert [(one.far, one.frr, one.people) for one in SHAPES] == [
        (1e-4, 0.05, 245),
        (1 / 50_000, 0.10, 0),
    ]
