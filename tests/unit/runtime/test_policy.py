"""Policies: rates, thresholds for a gallery's size, and waiting after failures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime.policy import (
    NIST_800_63B,
    identification_rate,
    identification_threshold,
    require_fmr,
)
from embedge.runtime.threshold import Threshold


def point(value: float, fmr_upper: float) -> Threshold:
    return replace(tiny_threshold(value), fmr=0.0, fmr_upper=fmr_upper)


def test_the_rate_of_a_search_is_that_of_independent_comparisons() -> None:
    random = np.random.default_rng(0)
    simulated = (random.random((20_000, 50)) < 0.01).any(axis=1).mean()
    assert identification_rate(0.01, 50) == pytest.approx(simulated, abs=0.01)
    assert identification_rate(1e-12, 10**6) == pytest.approx(1e-6, rel=1e-3)
    assert identification_rate(0.0, 100) == 0
    assert identification_rate(1.0, 1) == pytest.approx(1)


def test_the_threshold_follows_the_gallerys_size() -> None:
    points = [point(0.3, 1e-4), point(0.4, 1e-5), point(0.5, 1e-6)]
    for templates, value in ((1, 0.3), (100, 0.3), (101, 0.4), (1000, 0.4), (10_000, 0.5)):
        assert identification_threshold(points, templates, NIST_800_63B).value == value
    with pytest.raises(EmbedgeError, match=r"E-OPERATING-POINT.*20000 templates.*5.0e-07"):
        identification_threshold(points, 20_000, NIST_800_63B)
    with pytest.raises(EmbedgeError, match="E-OPERATING-POINT"):
        identification_threshold([], 1, NIST_800_63B)
    with pytest.raises(EmbedgeError, match=r"a number of one's own.*Leave --threshold out"):
        identification_threshold([Threshold.by_hand(0.5)], 1, NIST_800_63B)


def test_a_loose_threshold_is_refused() -> None:
    require_fmr(point(0.3, 1e-4), NIST_800_63B)
    with pytest.raises(EmbedgeError, match="E-OPERATING-POINT"):
        require_fmr(point(0.3, 1.1e-4), NIST_800_63B)


def test_a_threshold_without_evidence_is_refused_whatever_rate_it_states() -> None:
    stated = replace(point(-0.9, 1e-5), impostors=0, subjects=0)
    with pytest.raises(EmbedgeError, match=r"E-OPERATING-POINT.*proven for no rate"):
        require_fmr(stated, NIST_800_63B)
    with pytest.raises(EmbedgeError, match=r"E-OPERATING-POINT.*proven for no rate"):
        identification_threshold([stated, stated], 1, NIST_800_63B)
    assert identification_threshold([stated, point(0.3, 1e-4)], 1, NIST_800_63B).value == 0.3


@pytest.mark.parametrize("confidence", [1e-9, 0.49, 1.0])
def test_a_confidence_that_shows_nothing_is_refused(confidence: float) -> None:
    """At almost none, any bound agrees with any evidence; nothing is shown for certain."""
    with pytest.raises(ValueError, match=r"is none: from 0\.5 to below 1"):
        replace(point(0.3, 1e-5), confidence=confidence)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": float("nan")},
        {"attempts": 0},
        {"attempts": "5"},
        {"attempts": True},
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": "x"},
        {"longest_delay": float("inf")},
        {"longest_delay": 0},
        {"longest_delay": 1e12},
        {"together": 0},
        {"together": 8193},
        {"max_fmr": 0},
        {"max_fpir": "0.01"},
        {"max_fpir": 2},
        {"replaces": "zz"},
        {"name": None},
    ],
)
def test_a_policy_of_impossible_numbers_is_refused(wrong: dict[str, Any]) -> None:
    """Each of them switched a limit off, or ended in a traceback at the first failure."""
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        replace(NIST_800_63B, **wrong)


def test_a_rate_that_is_not_proven_and_the_strictest_that_is_are_told_apart() -> None:
    from embedge.runtime.policy import loosest

    with pytest.raises(EmbedgeError, match=r"rate of 0\.00999; its strictest .* for 0\.01\b"):
        loosest([point(0.5, 0.01)], 0.00999)
