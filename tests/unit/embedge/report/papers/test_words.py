"""Rates of a signed document are not rounded to perfection."""

import pytest

from embedge.calibration.compatibility.figures import Difference
from embedge.calibration.evaluation.figures import Rate
from embedge.report.model import Verdict
from embedge.report.papers.words import between, points, rate_cell, share_text, verdict_words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100.00"),
        (0.9999, "99.99"),
        (0.99996, "99.996"),
        (0.9999999, "99.99999"),
        (1.41e-4, "0.014"),
        (0, "0.00"),
    ],
)
def test_only_what_is_perfect_is_called_so(share: float, text: str) -> None:
    assert share_text(share) == f"{text}\N{NO-BREAK SPACE}%"


def test_differences_carry_their_sign() -> None:
    assert [points(0.0123), points(-0.0123)] == ["+1.23", "−1.23"]
    assert between(Difference(0.0, -0.01, 0.02)) == "−1.00 to +2.00"


def test_a_rate_stands_above_its_interval() -> None:
    cell = rate_cell(Rate(0.5, 0.25, 0.75))
    assert cell["text"].startswith("50.00")
    assert "25.00" in cell["detail"]


def test_a_verdict_has_a_word_of_its_own() -> None:
    assert verdict_words(Verdict.of([]), shown="Shown", missed="Not")["word"] == "Shown"
