"""Watch a folder or a camera and identify whoever appears, one JSON line each.

Of a folder every picture is told, of a camera (--camera) every person once. A picture is read once
its size has stopped changing; links, pipes and devices are passed over. Mistakes in a picture are
reported as a line with an error code, and watching goes on; Ctrl-C ends it, and so does the end of
the folder or of the video.
"""

import argparse
import json
from pathlib import Path

from embedge.cli.camera.watching import add_camera_options, watch_camera
from embedge.cli.device.gallery_options import (
    add_gallery_options,
    add_search_option,
    opened_gallery,
)
from embedge.cli.device.matcher_options import (
    add_decision_options,
    add_matcher_options,
    decided_by,
    matcher_from,
)
from embedge.cli.numbers import AMOUNT, COUNT
from embedge.errors import EmbedgeError


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    add_search_option(parser)
    add_decision_options(parser)
    parser.add_argument("source", metavar="SOURCE", help="the folder to watch; see --camera")
    parser.add_argument("--interval", type=AMOUNT, default=0.5, help="seconds between looks")
    parser.add_argument("--once", action="store_true", help="stop when the folder has been read")
    parser.add_argument("--top", type=COUNT, default=1, help="how many candidates to list")
    parser.add_argument(
        "--policy", choices=("nist-800-63b",), help="bound the chance of a false identification"
    )
    add_camera_options(parser)


def run(options: argparse.Namespace) -> int:
    return watch_camera(options) if options.camera else _watch_folder(options)


def _watch_folder(options: argparse.Namespace) -> int:
    from embedge.runtime.identification import identify
    from embedge.runtime.picture.images import picture_bytes
    from embedge.runtime.policy import NIST_800_63B
    from embedge.runtime.watching import arriving_files

    folder = Path(options.source)
    if not options.source or not folder.is_dir():  # an unset variable is not the current folder
        raise EmbedgeError(
            "E-FOLDER",
            "there is no such folder",
            where=options.source,
            remedy="Create it first, or give --camera if it is a camera, a stream or a video",
        )
    policy = NIST_800_63B if options.policy else None
    with matcher_from(options) as matcher, opened_gallery(options) as gallery:
        chosen = decided_by(options, matcher)
        for picture in arriving_files(folder, options.interval, once=options.once):
            try:
                data = picture_bytes(picture, follow=False)  # it may be a link by now
                found = identify(
                    matcher,
                    gallery,
                    data,
                    count=options.top,
                    policy=policy,
                    threshold=chosen,
                    fmr=options.fmr,
                )
                result = found.to_json()
            except EmbedgeError as error:
                result = {"error": error.code, "what": error.what, "remedy": error.remedy}
            print(json.dumps({"picture": str(picture), **result}), flush=True)
    return 0
