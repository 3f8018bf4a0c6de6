"""Who of a gallery is this? Nobody, where no score is above the threshold.

A search compares with everybody, so strangers are more often taken for somebody the more people
are enrolled: the chance is printed, and with --policy it is bounded.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedge.cli.device.gallery_options import (
    add_gallery_options,
    add_search_option,
    opened_gallery,
)
from embedge.cli.device.matcher_options import add_matcher_options, matcher_from

if TYPE_CHECKING:
    from embedge.runtime.identification import Identification


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    add_search_option(parser)
    parser.add_argument("pictures", type=Path, nargs="+", help="one or more pictures")
    parser.add_argument("--top", type=int, default=3, help="how many candidates to list")
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="bound the chance of a false identification"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.identification import identify
    from embedge.runtime.policy import NIST_800_63B

    policy = NIST_800_63B if options.policy else None
    with matcher_from(options) as matcher, opened_gallery(options) as gallery:
        results = [
            identify(matcher, gallery, picture, count=options.top, policy=policy)
            for picture in options.pictures
        ]
    for picture, result in zip(options.pictures, results):
        print(json.dumps(_record(picture, result)) if options.json else _text(picture, result))
    return 0


def _record(picture: Path, result: "Identification") -> dict[str, Any]:
    return {"picture": str(picture), **result.to_json()}


def _text(picture: Path, result: "Identification") -> str:
    lines = [f"{picture}: {result.person or 'NOBODY'}"]
    lines += [f"  {each.cosine:+.4f}  {each.person}" for each in result.candidates]
    lines.append(
        f"  threshold {result.threshold.value:.4f}; a stranger is taken for somebody with a chance"
        f" of at most {result.fpir:.2g} among {result.templates:,} templates"
    )
    return "\n".join(lines)
