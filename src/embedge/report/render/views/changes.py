"""A diff of two reports, sorted by what a reader should see first."""

from collections.abc import Sequence
from typing import Any

from embedge.report.diff import Change
from embedge.report.model import Report
from embedge.report.render.words import date_text, value_text

__all__ = ["changes_view"]


def changes_view(
    before: Report, after: Report, changes: Sequence[Change], warnings: Sequence[str]
) -> dict[str, Any]:
    def told(turn: str, *, certain: bool) -> list[dict[str, Any]]:
        return [_row(one) for one in changes if one.turn == turn and one.certain == certain]

    return {
        "page_title": f"{after.title}: what changed",
        "before": {"title": before.title, "created": date_text(before.created)},
        "after": {"title": after.title, "created": date_text(after.created)},
        "compared": len(changes),
        "warnings": list(warnings),
        "worse": told("worse", certain=True),
        "better": told("better", certain=True),
        "changed": told("changed", certain=True),
        "unsure": told("worse", certain=False) + told("better", certain=False),
    }


def _row(change: Change) -> dict[str, Any]:
    return {
        "what": change.what,
        "before": _said(change.before, change.unit),
        "after": _said(change.after, change.unit),
        "change": change_text(change),
        "turn": change.turn,
        "certain": change.certain,
    }


def _said(value: float | str | None, unit: str) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else value_text(value, unit)


def change_text(change: Change) -> str:
    """The difference in the figure's own unit and in percent; a word where there is no number."""
    before, after = change.before, change.after
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return change.turn
    share = f" ({100 * (after - before) / before:+.1f} %)" if before else ""
    return f"{after - before:+.4g}{share}".replace("-", "−")
