"""Rates of a signed document in words: nothing is rounded up to perfect, or down to nothing."""

from typing import Any

from embedge.calibration.compatibility.figures import Difference
from embedge.calibration.evaluation.figures import Rate
from embedge.report.model import Provenance, Report, Verdict
from embedge.report.render.views.verdict import verdict_view
from embedge.report.render.words import percent

__all__ = ["between", "points", "rate_cell", "share_text", "verdict_words"]


def share_text(share: float, digits: int = 2) -> str:
    """0.99996 → 99.996 %: only what is perfect is called so."""
    while 0 < share < 1 and digits < 8 and round(100 * share, digits) == 100:
        digits += 1
    return percent(share, digits)


def between(rate: Rate | Difference) -> str:
    if isinstance(rate, Difference):
        return f"{points(rate.low)} to {points(rate.high)}"
    return f"{share_text(rate.low)} – {share_text(rate.high)}"


def points(difference: float) -> str:
    """Percentage points with their sign."""
    return f"{100 * difference:+.2f}".replace("-", "−")


def rate_cell(rate: Rate) -> dict[str, str]:
    return {"text": share_text(rate.rate), "detail": between(rate)}


def verdict_words(verdict: Verdict, *, shown: str, missed: str) -> dict[str, Any]:
    """The head of the page, as a report has it, with a word of its own."""
    found = verdict_view(Report(created="", title="", verdict=verdict, provenance=Provenance()))
    return {**found, "word": shown if verdict.passed else missed}
