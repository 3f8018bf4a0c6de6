"""Certify that people whom another model enrolled need not be enrolled again.

Thresholds are set on half of the people, everything else is counted on the other half. The exit
status is 3 when the claim is not shown; the certificate is written all the same. --check measures
again and refuses a certificate that says something else.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.printed import printable

if TYPE_CHECKING:
    from embedge.report.certificate.certificate import Certificate
    from embedge.report.certificate.certifying import Asked


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="the new model: NAME.embedge or its .zip")
    parser.add_argument("faces", type=Path, help="people nobody was trained on: PERSON/PICTURE")
    parser.add_argument(
        "--old", required=True, metavar="MODEL", help="what enrolled: .onnx, or BUNDLE:ARTIFACT"
    )
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument("--out", type=Path, metavar="DIR", help="certificate.json and .html go here")
    end.add_argument("--check", type=Path, metavar="FILE", help="measure this certificate again")
    parser.add_argument("--artifacts", nargs="+", default=(), metavar="NAME", help="default: all")
    parser.add_argument(
        "--criterion",
        choices=("asymmetric", "backward"),
        default="asymmetric",
        help="instead of enrolling again with the new model, or of keeping the old one",
    )
    parser.add_argument("--fmr", type=float, default=1e-4, help="default: 1e-4")
    parser.add_argument(
        "--margin", type=float, default=0.01, help="TAR that may be lost (default: 0.01)"
    )
    parser.add_argument("--per-person", type=int, default=8, metavar="N", help="default: 8")
    parser.add_argument("--seed", type=int, default=0, help="of the split into two groups")
    parser.add_argument(
        "--trained-on", type=Path, metavar="FILE", help="names of people trained on, one a line"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here")
    parser.add_argument("--threads", type=int, help="threads of the encoder (default: all cores)")
    parser.add_argument("--key", type=Path, help="sign the certificate with this private key")
    parser.add_argument(
        "--trust", type=Path, action="append", help="with --check: a key that must have signed it"
    )


def run(options: argparse.Namespace) -> int:
    _require_rates(options)
    if options.check:
        return _checked(options)
    from embedge.optional import require
    from embedge.progress import Progress
    from embedge.report.certificate.certifying import certified
    from embedge.report.certificate.page import certificate_page
    from embedge.report.papers.paper import sign_paper, write_paper
    from embedge.runtime.bundle.signing_keys import PASSWORD_VARIABLE

    require("jinja2", extra="export")
    command = shlex.join(["embedge", *sys.argv[1:]])
    found = certified(_asked(options), command, Progress())
    path = write_paper(found, certificate_page(found), options.out, "certificate")
    print(printable(_told(found), keep="\n"))
    print(path)
    if options.key:
        password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
        print(f"signed by key {sign_paper(path, options.key, password).key_id}")
    return 0 if found.verdict.passed else 3


def _checked(options: argparse.Namespace) -> int:
    """Authenticated first, read next, and only then measured again."""
    from embedge.errors import EmbedgeError
    from embedge.progress import Progress
    from embedge.report.certificate.certificate import Certificate
    from embedge.report.certificate.certifying import certified
    from embedge.report.papers.paper import differing, paper_from_bytes, require_signed

    data = require_signed(options.check, options.trust or [])
    stated = paper_from_bytes(Certificate, data, where=options.check)
    measured = certified(_asked_by(stated, options), stated.command, Progress())
    places = differing(stated, measured)
    if places:
        raise EmbedgeError(
            "E-PAPER-DIFFERS",
            f"{len(places)} figures are not what was measured again: {', '.join(places[:5])}",
            where=options.check,
            remedy="Do not rely on it; give the same files and faces, or ask who signed it",
        )
    print(f"every figure of {options.check} was measured again")
    return 0 if stated.verdict.passed else 3


def _asked(options: argparse.Namespace) -> "Asked":
    from embedge.report.certificate.certifying import Asked

    return Asked(
        options.bundle,
        options.faces,
        options.old,
        options.artifacts,
        options.criterion,
        options.fmr,
        options.margin,
        options.per_person,
        options.seed,
        options.trained_on,
        options.cache,
        options.threads,
    )


def _asked_by(stated: "Certificate", options: argparse.Namespace) -> "Asked":
    """The same question as the certificate's, to the files that are given now."""
    from dataclasses import replace

    claim = stated.claim
    return replace(
        _asked(options),
        artifacts=[one.side.artifact or "" for one in stated.artifacts],
        criterion=claim.criterion,
        fmr=claim.fmr,
        margin=claim.margin,
        per_person=claim.per_person,
        seed=claim.seed,
        cache=None,  # whoever edits figures may have edited embeddings
    )


def _require_rates(options: argparse.Namespace) -> None:
    from embedge.errors import EmbedgeError

    if 0 < options.fmr < 1 and 0 <= options.margin < 1 and (options.per_person or 2) >= 2:
        return
    raise EmbedgeError(
        "E-CERTIFY-OPTIONS",
        "the claim is none: --fmr lies between 0 and 1, --margin from 0 to 1, --per-person from 2",
        remedy="Give --fmr 1e-4 or the like",
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
    return "\n".join(lines)
