"""File a technology test report: checklist, groups, and verdicts in the shape of two programmes.

The threshold is the bundle's; a model without one gets it from half of the people and is judged on
the other half. Nothing here is a certification. --check measures again and refuses a dossier that
says something else.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.proof.paper_options import (
    add_paper_options,
    file_paper,
    found_words,
    order_of,
    require_measured_again,
    require_own_page,
    stated_in,
)

if TYPE_CHECKING:
    from embedge.report.dossier.dossier import Dossier
    from embedge.report.dossier.filing import DossierOrder

WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an .onnx file, NAME.embedge, or NAME.embedge:ARTIFACT")
    parser.add_argument("faces", type=Path, help="people nobody was trained on: PERSON/PICTURE")
    parser.add_argument("--groups", type=Path, metavar="FILE", help="labels: NAME, ATTRIBUTE…")
    parser.add_argument(
        "--statement", type=Path, metavar="FILE", help="what only the tester knows, as JSON"
    )
    add_paper_options(parser, "dossier")


def run(options: argparse.Namespace) -> int:
    from embedge.optional import require
    from embedge.progress import Progress
    from embedge.report.dossier.dossier import Dossier
    from embedge.report.dossier.filing import DossierOrder, filed
    from embedge.report.dossier.page import dossier_page
    from embedge.report.dossier.sentences import retold

    if options.check:
        stated = stated_in(Dossier, options)
        measured = filed(_asked_by(stated, options), stated.command, Progress())
        require_measured_again(stated, retold(stated, measured), options.check)
        require_own_page(stated, dossier_page, options.check)
        return 0
    require("jinja2", extra="export")
    found = filed(
        order_of(DossierOrder, options), shlex.join(["embedge", *sys.argv[1:]]), Progress()
    )
    file_paper(found, dossier_page(found), "dossier", _told(found), options)
    return 0


def _asked_by(stated: "Dossier", options: argparse.Namespace) -> "DossierOrder":
    """The same question as the dossier's, to the files that are given now."""
    from dataclasses import replace

    from embedge.report.dossier.filing import DossierOrder

    return replace(
        order_of(DossierOrder, options),
        fmr=stated.operation.threshold.fmr_target,
        per_person=stated.faces.per_person,
        seed=stated.faces.seed,
        cache=None,  # whoever edits figures may have edited embeddings
    )


def _told(found: "Dossier") -> str:
    at, of = found.operation, len(found.checklist)
    lines = [
        f"{found.system.side}: FMR {at.fmr.rate:.3g} [{at.fmr.low:.3g}, {at.fmr.high:.3g}],"
        f" FNMR {at.fnmr.rate:.3g} [{at.fnmr.low:.3g}, {at.fnmr.high:.3g}]"
        f" at {at.threshold.value:.4f}",
        f"threshold: set for FMR {at.threshold.fmr_target:g}, from {at.threshold_from}",
        f"checklist: {of - found.missing} of {of} items told, {found.missing} missing",
    ]
    for one in found.shaped:
        more = f": {one.more_people:,} more people are needed" if one.status == "refused" else ""
        lines.append(f"{one.shape}: {one.status}{more}")
    for annex in found.annex:
        lines += [f"{ratio.words}" for ratio in annex.worst if ratio.words]
        lines += [annex.ungrouped.words] if annex.ungrouped else []
    return "\n".join([*lines, *found_words(found.faces.findings)])
