"""Write a report: `report.json` and `report.html`, each whole or absent."""

from pathlib import Path
from typing import Any

from embedge.files import write_json, write_text
from embedge.report.render.html import html_from_report

__all__ = ["write_report"]


def write_report(report: dict[str, Any], folder: Path) -> Path:
    """Check the report, write both files into `folder`, return the path of the page."""
    page = html_from_report(report)
    write_json(folder / "report.json", report)
    write_text(folder / "report.html", page)
    return folder / "report.html"
