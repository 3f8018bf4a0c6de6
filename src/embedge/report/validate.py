"""Check a report against its schema; say every mistake at once, one readable line each."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from embedge.errors import EmbedgeError
from embedge.report.schema import SCHEMA, Report


def validated(report: dict[str, Any], *, where: Path | None = None) -> dict[str, Any]:
    """The report itself, once every field has been checked."""
    _checked(report, where)
    return report


def completed(report: dict[str, Any]) -> dict[str, Any]:
    """A checked copy in which every optional field is there, with its default."""
    return _checked(report, None).model_dump(by_alias=True)


def _checked(report: dict[str, Any], where: Path | None) -> Report:
    _require_version(report, where)
    try:
        return Report.model_validate(report)
    except ValidationError as error:
        raise EmbedgeError(
            "E-REPORT",
            f"the report does not fit the schema {SCHEMA}: {_lines(error)}",
            where=where,
            remedy="docs/reference/report.md describes every field",
        ) from error


def read_report(path: Path) -> dict[str, Any]:
    """Load and check a `report.json`."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EmbedgeError(
            "E-REPORT",
            f"this is not a readable report ({error})",
            where=path,
            remedy="Give the path of a report.json that embedge wrote",
        ) from error
    return validated(value, where=path)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of this version: `embedge report schema`."""
    schema = Report.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **schema,
    }


def _require_version(report: Any, where: Path | None) -> None:
    found = report.get("schema") if isinstance(report, dict) else None
    if found != SCHEMA:
        raise EmbedgeError(
            "E-REPORT-VERSION",
            f"this report has the schema {found!r}; this version of embedge reads {SCHEMA!r}",
            where=where,
            remedy="Use the version of embedge that wrote it, or write the report again",
        )


def _lines(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'report'}: {item['msg']}" for item in error.errors()
    )
