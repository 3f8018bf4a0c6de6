"""`report.html`: one file, no script, nothing fetched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from embedge.report.render.views.accuracy import accuracy_view
from embedge.report.render.views.evidence import provenance_view, training_view, worst_view
from embedge.report.render.views.latency import latency_views
from embedge.report.render.views.networks import artifacts_view, models_view
from embedge.report.render.views.verdict import headline_view, verdict_view
from embedge.report.render.words import date_text, short_digest
from embedge.report.validate import completed

__all__ = ["html_from_report", "rendered"]

_TEMPLATES = Path(__file__).with_name("templates")


def html_from_report(report: dict[str, Any]) -> str:
    """The whole page; the report is checked first."""
    return rendered("report.html", **_page(completed(report)))


def _page(full: Mapping[str, Any]) -> dict[str, Any]:
    verdict = verdict_view(full)
    return {
        "page_title": f"{verdict['word']}: {full['title']}",
        "title": full["title"],
        "created": date_text(full["created"]),
        "command": full["command"],
        "schema": full["schema"],
        "space": full["space"],
        "verdict": verdict,
        "headline": headline_view(full),
        "models": models_view(full),
        "artifacts": artifacts_view(full),
        "skipped": full["skipped"],
        "accuracy": accuracy_view(full),
        "machines": latency_views(full),
        "worst": worst_view(full),
        "training": training_view(full),
        "provenance": provenance_view(full),
    }


def rendered(template: str, **page: Any) -> str:
    """A template of this package, with everything that is not ours escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short_digest"] = short_digest
    return environment.get_template(template).render(**page)
