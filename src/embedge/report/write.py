"""Write a report: `report.json` and `report.html`, each whole or absent."""

from pathlib import Path

from embedge.files import write_json, write_text
from embedge.report.model import Report
from embedge.report.read import report_from_json
from embedge.report.render.html import html_from_report
from embedge.typed import plain

__all__ = ["write_figures", "write_report"]


def write_report(report: Report, folder: Path) -> Path:
    """Check that the report can be read, write both files, return the path of the page."""
    report_from_json(plain(report))
    page = html_from_report(report)
    write_figures(report, folder)
    write_text(folder / "report.html", page)
    return folder / "report.html"


def write_figures(report: Report, folder: Path) -> Path:
    """Only `report.json`: what a device without the packages for a page can write."""
    value = plain(report)
    report_from_json(value)
    write_json(folder / "report.json", value)
    return folder / "report.json"
