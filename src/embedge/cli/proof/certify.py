"""Certify that people whom another model enrolled need not be enrolled again.

Thresholds are set on half of the people, everything else is counted on the other half. The exit
status is 3 when the claim is not shown; the certificate is written all the same. --check measures
again and refuses a certificate that says something else.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.numbers import MARGIN
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
    from embedge.report.certificate.certificate import Certificate
    from embedge.report.certificate.certifying import CertificateOrder

WRITES = ("out",)  # options that name outputs


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="the new model: NAME.embedge or its .zip")
    parser.add_argument("faces", type=Path, help="people nobody was trained on: PERSON/PICTURE")
    parser.add_argument(
        "--old", required=True, metavar="MODEL", help="what enrolled: .onnx, or BUNDLE:ARTIFACT"
    )
    add_paper_options(parser, "certificate")
    parser.add_argument("--artifacts", nargs="+", default=(), metavar="NAME", help="default: all")
    parser.add_argument(
        "--criterion",
        choices=("asymmetric", "backward"),
        default="asymmetric",
        help="instead of enrolling again with the new model, or of keeping the old one",
    )
    parser.add_argument(
        "--margin", type=MARGIN, default=0.01, help="TAR that may be lost (default: 0.01)"
    )


def run(options: argparse.Namespace) -> int:
    if options.check:
        return _checked(options)
    from embedge.optional import require
    from embedge.progress import Progress
    from embedge.report.certificate.certifying import CertificateOrder, certified
    from embedge.report.certificate.page import certificate_page

    require("jinja2", extra="export")
    command = shlex.join(["embedge", *sys.argv[1:]])
    found = certified(order_of(CertificateOrder, options), command, Progress())
    file_paper(found, certificate_page(found), "certificate", _told(found), options)
    return 0 if found.verdict.passed else 3


def _checked(options: argparse.Namespace) -> int:
    from embedge.progress import Progress
    from embedge.report.certificate.certificate import Certificate
    from embedge.report.certificate.certifying import certified
    from embedge.report.certificate.page import certificate_page

    stated = stated_in(Certificate, options)
    measured = certified(_asked_by(stated, options), stated.command, Progress())
    require_measured_again(stated, measured, options.check)
    require_own_page(stated, certificate_page, options.check)
    return 0 if stated.verdict.passed else 3


def _asked_by(stated: "Certificate", options: argparse.Namespace) -> "CertificateOrder":
    """The same question as the certificate's, to the files that are given now."""
    from dataclasses import replace

    from embedge.report.certificate.certifying import CertificateOrder

    claim = stated.claim
    return replace(
        order_of(CertificateOrder, options),
        artifacts=[one.side.artifact or "" for one in stated.artifacts],
        criterion=claim.criterion,
        fmr=claim.fmr,
        margin=claim.margin,
        per_person=claim.per_person,
        seed=claim.seed,
        cache=None,  # whoever edits figures may have edited embeddings
    )


def _told(found: "Certificate") -> str:
    from embedge.report.certificate.certificate import replacement_of

    lines = ["The claim is shown." if found.verdict.passed else "The claim is NOT shown."]
    paragon = found.paragon.tar
    lines.append(f"{found.paragon.key}: TAR {paragon.rate:.4f} at FMR {found.claim.fmr:g}")
    for one in found.artifacts:
        chosen = replacement_of(found.claim, one)
        told, flips = chosen.difference, chosen.flips
        lines.append(
            f"{one.cross.key}: TAR {one.cross.tar.rate:.4f}, {told.value:+.4f}"
            f" [{told.low:+.4f}, {told.high:+.4f}] against {chosen.replaced};"
            f" {one.backward.flips.people_losing} of {flips.people} people lose something"
        )
    if found.parties.left_out:
        lines.append(f"not looked at: {', '.join(found.parties.left_out)}")
    return "\n".join([*lines, *found_words(found.faces.findings)])
