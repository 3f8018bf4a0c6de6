"""Who of a gallery is this? Nobody, where no score is above the threshold.

A search compares with everybody, so strangers are more often taken for somebody the more people
are enrolled: the chance is printed, and with --policy it is bounded. Where two people are equally
like the face (one picture enrolled under two names), it is AMBIGUOUS and nobody is chosen. Of
several pictures each is reported, those that cannot be read too: then the exit status is 3.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import (
    add_gallery_options,
    add_search_option,
    opened_gallery,
    say,
)
from embedge.cli.device.matcher_options import (
    add_decision_options,
    add_matcher_options,
    decided_by,
    matcher_from,
)
from embedge.cli.numbers import COUNT
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from embedge.runtime.encoders import Embeddings
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.identification import Identification
    from embedge.runtime.matcher import FaceMatcher
    from embedge.runtime.threshold import Threshold


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    add_decision_options(parser)
    add_search_option(parser)
    parser.add_argument("pictures", type=Path, nargs="+", help="one or more pictures")
    parser.add_argument("--top", type=COUNT, default=3, help="how many candidates to list")
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="bound the chance of a false identification"
    )
    parser.add_argument(
        "--replace-bridged",
        action="store_true",
        help="who is found gets a native template for a bridged one, if more than the bridge"
        " vouches for them: a native template, or --confirmed",
    )
    parser.add_argument(
        "--confirmed", metavar="NAME", help="another factor (a card, a PIN) says that it is NAME"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.identification import identify_row, require_count
    from embedge.runtime.policy import NIST_800_63B

    require_count(options.top)
    if options.confirmed is not None and not options.replace_bridged:
        raise EmbedgeError(
            "E-OPTION",
            "--confirmed says who may replace a bridged template, and nothing is to be replaced",
            remedy="Give --replace-bridged too, or leave --confirmed out",
        )
    policy = NIST_800_63B if options.policy else None
    refused = 0
    writable = options.replace_bridged
    with matcher_from(options) as matcher, opened_gallery(options, writable=writable) as gallery:
        chosen = decided_by(options, matcher)
        for picture in options.pictures:
            try:
                row = matcher.embed(picture)
                result = identify_row(
                    matcher,
                    gallery,
                    row,
                    count=options.top,
                    policy=policy,
                    threshold=chosen,
                    fmr=options.fmr,
                )
                replaced = options.replace_bridged and _replaced(
                    options.confirmed, matcher, gallery, row, result, chosen
                )
                as_json = [
                    json.dumps({"picture": str(picture), **result.to_json(), "replaced": replaced})
                ]
                say(*(as_json if options.json else _lines(picture, result, replaced)))
            except EmbedgeError as error:
                if len(options.pictures) == 1 or not _is_of(error, picture):
                    raise
                refused += 1
                say(_refusal(picture, error, as_json=options.json))
    return 3 if refused else 0


def _replaced(
    confirmed: str | None,
    matcher: "FaceMatcher",
    gallery: "Gallery",
    row: "Embeddings",
    result: "Identification",
    chosen: "Threshold | None",
) -> bool:
    """A number of one's own may make this stricter, never easier."""
    from embedge.runtime.gallery.enrolment import checked_name
    from embedge.runtime.gallery.migration.replacing import replace_bridged

    name = None if confirmed is None else checked_name(confirmed)
    if result.person is None or name not in (None, result.person):
        return False
    limits = [matcher.threshold(), *([chosen] if chosen else [])]
    return replace_bridged(
        gallery,
        result.person,
        row,
        matcher.contract,
        native=max(limits, key=lambda each: each.value),
        other_factor=name is not None,
    )


def _is_of(error: EmbedgeError, picture: Path) -> bool:
    """A picture's mistake, not the gallery's or the policy's, which would meet all of them."""
    return error.where == str(picture)


def _refusal(picture: Path, error: EmbedgeError, *, as_json: bool) -> str:
    if not as_json:
        return f"{picture}: REFUSED {error.code}: {error.what}"
    fields = {"error": error.code, "what": error.what, "remedy": error.remedy}
    return json.dumps({"picture": str(picture), **fields})


def _lines(picture: Path, result: "Identification", replaced: bool) -> list[str]:
    said = "AMBIGUOUS" if result.tied else "NOBODY"
    lines = [f"{picture}: {result.person or said}"]
    if result.tied:
        lines.append(
            f"  {' and '.join(result.tied)} are equally like it, so none of them was chosen: one"
            " picture may be enrolled under two names (embedge erase the wrong one)"
        )
    lines += [
        f"  {each.cosine:+.4f}  {each.person}{'  (bridged)' if each.bridged else ''}"
        for each in result.candidates
    ]
    if replaced:
        lines.append("  a bridged template was replaced by this picture's")
    chance = (
        f"a stranger is taken for somebody with a chance of at most {result.fpir:.2g} among"
        f" {result.templates:,} templates"
    )
    told = chance if result.threshold.proven else result.threshold.evidence()
    lines.append(f"  threshold {result.threshold.value:.4f}; {told}")
    if result.threshold.proven:
        lines.append(f"  evidence: {result.threshold.evidence()}")
    return lines
