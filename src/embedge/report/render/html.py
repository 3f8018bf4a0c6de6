"""`report.html`: one file, no script, nothing fetched."""

from pathlib import Path
from typing import Any

from embedge.calibration.people.copies import SOUGHT
from embedge.optional import require
from embedge.report.model import Report
from embedge.report.render.views.accuracy import accuracy_view
from embedge.report.render.views.evidence import provenance_view, training_view, worst_view
from embedge.report.render.views.latency import latency_views
from embedge.report.render.views.networks import artifacts_view, models_view
from embedge.report.render.views.verdict import headline_view, verdict_view
from embedge.report.render.words import cosine_text, date_text, short_digest

__all__ = ["html_from_report", "rendered"]

_TEMPLATES = Path(__file__).with_name("templates")


def html_from_report(report: Report) -> str:
    verdict = verdict_view(report)
    return rendered(
        "report.html",
        page_title=f"{verdict['word']}: {report.title}",
        title=report.title,
        created=date_text(report.created),
        command=report.command,
        schema=report.schema,
        kind="parity report" if report.artifacts else "evaluation report",
        space=report.space,
        verdict=verdict,
        headline=headline_view(report),
        models=models_view(report),
        artifacts=artifacts_view(report),
        skipped=report.skipped,
        accuracy=accuracy_view(report),
        machines=latency_views(report),
        worst=worst_view(report),
        training=training_view(report),
        provenance=provenance_view(report),
    )


def rendered(template: str, **page: Any) -> str:
    """A template of this package, with everything that is not ours escaped."""
    jinja2 = require("jinja2", extra="export")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["copies_sought"] = SOUGHT
    environment.filters["short_digest"] = short_digest
    environment.filters["cosine"] = cosine_text
    return str(environment.get_template(template).render(**page))
