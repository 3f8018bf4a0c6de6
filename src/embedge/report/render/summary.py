"""The page somebody signs: verdict, thresholds, digests, and lines for names on paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.files import sha256_file
from embedge.report.read import read_report
from embedge.report.render.html import rendered
from embedge.report.render.views.latency import machine_text
from embedge.report.render.views.networks import artifacts_view
from embedge.report.render.views.verdict import verdict_view
from embedge.report.render.words import date_text
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.bundle.signature import require_signature, signature_of

__all__ = ["Signed", "signature_for", "summary_from_report"]


@dataclass(frozen=True, slots=True)
class Signed:
    """By which key the bundle was signed, and whether the reader knows whose it is."""

    key_id: str
    trusted: bool


def summary_from_report(path: Path, *, signature: Signed | None = None) -> str:
    """HTML of one page, bound to the very bytes of `report.json` by their digest."""
    report = read_report(path)
    return rendered(
        "summary.html",
        page_title=f"Sign-off: {report.title}",
        title=report.title,
        created=date_text(report.created),
        space=report.space,
        verdict=verdict_view(report),
        artifacts=artifacts_view(report),
        skipped=report.skipped,
        dataset=report.evaluation and report.evaluation.dataset,
        machines=[machine_text(one.machine) for one in report.machines],
        weight_licence=report.provenance.weight_licence,
        digest=sha256_file(path),
        signature=signature,
    )


def signature_for(report: Path, bundle: Path, trusted: Sequence[Path]) -> Signed | None:
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
    return None if found is None else Signed(found.key_id, bool(trusted))
