"""What may be signed: a certificate, a dossier or a report that does not contradict itself."""

from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.report.certificate import certificate
from embedge.report.dossier import dossier
from embedge.report.dossier.sentences import missaid
from embedge.report.model import SCHEMA
from embedge.report.papers.paper import paper_from_bytes, read_paper
from embedge.report.read import report_from_bytes
from embedge.strict.json_text import json_value

__all__ = ["require_sound"]


def require_sound(path: Path) -> None:
    """By the reader of its own kind, whose errors say what is wrong; then by its sentences."""
    data = read_paper(path)
    try:
        value = json_value(data)
    except ValueError:
        value = None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema == SCHEMA:
        report_from_bytes(data, where=path)
    elif schema == certificate.SCHEMA:
        _require_own_words(paper_from_bytes(certificate.Certificate, data, where=path), path)
    elif schema == dossier.SCHEMA:
        _require_own_words(paper_from_bytes(dossier.Dossier, data, where=path), path)
    else:
        raise EmbedgeError(
            "E-PAPER",
            f"this is no certificate, dossier or report (its schema is {schema!r:.60})",
            where=path,
            remedy="Give the JSON file that embedge certify, dossier or a run wrote",
        )


def _require_own_words(paper: certificate.Certificate | dossier.Dossier, path: Path) -> None:
    """Its checklist says what its figures say, and it looked at no list that it was not given."""
    wrong = missaid(paper) if isinstance(paper, dossier.Dossier) else []
    asked = paper.command.startswith(("embedge certify ", "embedge dossier "))
    if paper.faces.trained_on == "checked" and asked and "--trained-on" not in paper.command:
        wrong.append("trained_on")
    if wrong:
        raise EmbedgeError(
            "E-PAPER",
            f"its figures or its command do not say what stands under {', '.join(wrong)}",
            where=path,
            remedy="Give the JSON file as embedge wrote it, or have it made again",
        )
