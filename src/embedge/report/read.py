"""Read a report on the base install, every mistake told at once; publish its JSON Schema."""

from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import unreadable_file
from embedge.optional import require
from embedge.printed import printable
from embedge.report.model import SCHEMA, Report
from embedge.report.soundness.contradictions import contradictions
from embedge.report.soundness.former import with_measurands
from embedge.strict.json_text import json_value
from embedge.typed import Mistakes, structured

__all__ = ["json_schema", "read_report", "report_from_bytes", "report_from_json", "type_adapter"]


def read_report(path: Path) -> Report:
    """Load and check a `report.json`, or the one of a bundle or run folder."""
    path = _file_of(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EmbedgeError(
            "E-REPORT",
            f"this report cannot be read: {unreadable_file(error)}",
            where=path,
            remedy="Give the path of a report.json that embedge wrote",
        ) from error
    return report_from_bytes(data, where=path)


def report_from_bytes(data: bytes, *, where: str | Path | None = None) -> Report:
    """The report that a `report.json` holds, wherever its bytes came from."""
    try:
        value = json_value(data)
    except ValueError as error:
        raise _unreadable(error, where) from error
    return report_from_json(value, where=where)


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [*path.glob("report.json"), *sorted(path.glob("*.embedge/report.json"))]
    if found:
        return found[0]
    raise EmbedgeError(
        "E-REPORT",
        "there is no report.json in this folder",
        where=path,
        remedy="Give a report.json, the folder of its bundle, or a run folder that is through",
    )


def _unreadable(error: Exception, where: str | Path | None) -> EmbedgeError:
    return EmbedgeError(
        "E-REPORT",
        f"this is not a readable report ({error})",
        where=where,
        remedy="Give the path of a report.json that embedge wrote",
    )


def report_from_json(value: Any, *, where: str | Path | None = None) -> Report:
    """The report that a JSON value is."""
    _require_version(value, where)
    try:
        report = with_measurands(structured(Report, value))
    except Mistakes as mistakes:
        raise EmbedgeError(
            "E-REPORT",
            f"the report does not fit the schema {SCHEMA}: {mistakes}",
            where=where,
            remedy="Fix the fields it names as docs/reference/report.md describes them",
        ) from mistakes
    if wrong := contradictions(report):
        raise EmbedgeError(
            "E-REPORT",
            f"the report contradicts itself: {printable('; '.join(wrong))}",
            where=where,
            remedy="Write the report again, by the command that wrote it",
        )
    return report


def _require_version(value: Any, where: str | Path | None) -> None:
    told = value if isinstance(value, dict) else {}
    found, command = told.get("schema"), told.get("command")
    if found == SCHEMA:
        return
    if not isinstance(found, str):
        raise EmbedgeError(
            "E-REPORT",
            "this is no report of embedge: it names no schema",
            where=where,
            remedy="Give the path of a report.json that embedge wrote",
        )
    again = f": {printable(command)}" if command and isinstance(command, str) else ""
    raise EmbedgeError(
        "E-REPORT-VERSION",
        f"this report has the schema {found!r}; this version of embedge reads {SCHEMA!r}",
        where=where,
        remedy=f"Write the report again, by the command that wrote it{again}",
    )


def type_adapter() -> Any:
    """pydantic's view of the report, for those who have it."""
    return require("pydantic", extra="export").TypeAdapter(Report)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of this version: `embedge report schema`."""
    found = type_adapter().json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **found,
        "required": ["schema", *found["required"]],  # a default for those who write, not who read
    }
