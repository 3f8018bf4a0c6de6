"""The page somebody signs: verdict, thresholds, digests, and lines for names on paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import sha256_file
from embedge.report.render.html import rendered
from embedge.report.render.views.latency import machine_text
from embedge.report.render.views.networks import artifacts_view
from embedge.report.render.views.verdict import verdict_view
from embedge.report.render.words import date_text
from embedge.report.validate import completed, read_report
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.bundle.signature import require_signature, signature_of

__all__ = ["signature_for", "summary_from_report"]


def summary_from_report(report: Path, *, signature: dict[str, Any] | None = None) -> str:
    """HTML of one page, bound to the very bytes of `report.json` by their digest."""
    value = completed(read_report(report))
    measured = [one for one in (value["latency"], *value["devices"]) if one]
    return rendered(
        "summary.html",
        page_title=f"Sign-off: {value['title']}",
        title=value["title"],
        created=date_text(value["created"]),
        space=value["space"],
        verdict=verdict_view(value),
        artifacts=artifacts_view(value),
        skipped=value["skipped"],
        dataset=value["evaluation"] and value["evaluation"]["dataset"],
        machines=[machine_text(one["machine"]) for one in measured],
        weight_licence=value["provenance"].get("weight_licence"),
        digest=sha256_file(report),
        signature=signature,
    )


def signature_for(report: Path, bundle: Path, trusted: Sequence[Path]) -> dict[str, Any] | None:
    """Who signed the bundle that holds exactly this report; None where nobody did."""
    with Bundle.open(bundle) as opened:
        if sha256_file(report) not in {opened.stated(file)["sha256"] for file in opened.files}:
            raise EmbedgeError(
                "E-REPORT-FOREIGN",
                f"the bundle {opened.name} does not hold this report",
                where=report,
                remedy="Give the report.json of that very bundle",
            )
        found = require_signature(opened, trusted) if trusted else signature_of(opened)
    return None if found is None else {"key_id": found.key_id, "trusted": bool(trusted)}
