"""`report.html`: one file, no script, nothing fetched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from embedge.export.report.validate import completed
from embedge.export.report.views.accuracy import accuracy_view
from embedge.export.report.views.evidence import provenance_view, training_view, worst_view
from embedge.export.report.views.latency import latency_view
from embedge.export.report.views.networks import artifacts_view, models_view
from embedge.export.report.views.verdict import headline_view, verdict_view
from embedge.export.report.words import date_text, short_digest

__all__ = ["html_from_report"]

_TEMPLATES = Path(__file__).with_name("templates")


def html_from_report(report: dict[str, Any]) -> str:
    """The whole page; the report is checked first."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short_digest"] = short_digest
    return environment.get_template("report.html").render(**_page(completed(report)))


def _page(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": report["title"],
        "created": date_text(report["created"]),
        "command": report.get("command", ""),
        "schema": report["schema"],
        "space": report.get("space"),
        "verdict": verdict_view(report),
        "headline": headline_view(report),
        "models": models_view(report),
        "artifacts": artifacts_view(report),
        "skipped": report.get("skipped", []),
        "accuracy": accuracy_view(report),
        "latency": latency_view(report),
        "worst": worst_view(report),
        "training": training_view(report),
        "provenance": provenance_view(report),
    }
