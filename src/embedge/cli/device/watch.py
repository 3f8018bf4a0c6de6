"""Watch a folder and identify every picture that appears in it, one JSON line each.

A picture is read once its size has stopped changing; links, pipes and devices are passed over.
Mistakes in a picture are reported as a line with an error code, and watching goes on; Ctrl-C ends
it, and so does the end of the folder.
"""

import argparse
import json
from pathlib import Path

from embedge.cli.device.gallery_options import (
    add_gallery_options,
    add_search_option,
    opened_gallery,
)
from embedge.cli.device.matcher_options import add_matcher_options, matcher_from
from embedge.errors import EmbedgeError


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    add_search_option(parser)
    parser.add_argument("folder", type=Path, help="the folder to watch")
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between looks")
    parser.add_argument("--once", action="store_true", help="stop when the folder has been read")
    parser.add_argument("--top", type=int, default=1, help="how many candidates to list")
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="bound the chance of a false identification"
    )


def run(options: argparse.Namespace) -> int:
    from embedge.runtime.identification import identify
    from embedge.runtime.picture.images import picture_bytes
    from embedge.runtime.policy import NIST_800_63B
    from embedge.runtime.watching import arriving_files

    if not options.folder.is_dir():
        raise EmbedgeError(
            "E-FOLDER", "there is no such folder", where=options.folder, remedy="Create it first"
        )
    policy = NIST_800_63B if options.policy else None
    with matcher_from(options) as matcher, opened_gallery(options) as gallery:
        for picture in arriving_files(options.folder, options.interval, once=options.once):
            try:
                data = picture_bytes(picture, follow=False)  # it may be a link by now
                found = identify(matcher, gallery, data, count=options.top, policy=policy)
                result = found.to_json()
            except EmbedgeError as error:
                result = {"error": error.code, "what": error.what, "remedy": error.remedy}
            print(json.dumps({"picture": str(picture), **result}), flush=True)
    return 0
