"""Who of a gallery is this? Nobody, where no score is above the threshold.

A search compares with everybody, so strangers are more often taken for somebody the more people
are enrolled: the chance is printed, and with --policy it is bounded. Of several pictures each is
reported, those that cannot be read too: then the exit status is 3.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from embedge.runtime.identification import Identification


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    add_decision_options(parser)
    add_search_option(parser)
    parser.add_argument("pictures", type=Path, nargs="+", help="one or more pictures")
    parser.add_argument("--top", type=int, default=3, help="how many candidates to list")
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="bound the chance of a false identification"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.identification import identify, require_count
    from embedge.runtime.policy import NIST_800_63B

    require_count(options.top)
    policy = NIST_800_63B if options.policy else None
    refused = 0
    with matcher_from(options) as matcher, opened_gallery(options) as gallery:
        chosen = decided_by(options, matcher)
        for picture in options.pictures:
            try:
                result = identify(
                    matcher, gallery, picture, count=options.top, policy=policy, threshold=chosen
                )
                as_json = [json.dumps(_record(picture, result))]
                say(*(as_json if options.json else _lines(picture, result)))
            except EmbedgeError as error:
                if len(options.pictures) == 1 or not _is_of(error, picture):
                    raise
                refused += 1
                say(_refusal(picture, error, as_json=options.json))
    return 3 if refused else 0


def _is_of(error: EmbedgeError, picture: Path) -> bool:
    """A picture's mistake, not the gallery's or the policy's, which would meet all of them."""
    return error.where == str(picture)


def _refusal(picture: Path, error: EmbedgeError, *, as_json: bool) -> str:
    if not as_json:
        return f"{picture}: REFUSED {error.code}: {error.what}"
    fields = {"error": error.code, "what": error.what, "remedy": error.remedy}
    return json.dumps({"picture": str(picture), **fields})


def _record(picture: Path, result: "Identification") -> dict[str, Any]:
    return {"picture": str(picture), **result.to_json()}


def _lines(picture: Path, result: "Identification") -> list[str]:
    lines = [f"{picture}: {result.person or 'NOBODY'}"]
    lines += [f"  {each.cosine:+.4f}  {each.person}" for each in result.candidates]
    chance = (
        f"a stranger is taken for somebody with a chance of at most {result.fpir:.2g} among"
        f" {result.templates:,} templates"
    )
    told = chance if result.threshold.proven else result.threshold.evidence()
    lines.append(f"  threshold {result.threshold.value:.4f}; {told}")
    if result.threshold.proven:
        lines.append(f"  evidence: {result.threshold.evidence()}")
    return lines
