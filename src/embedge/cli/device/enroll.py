"""Add a person's pictures to a gallery; the gallery is created when there is none."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import add_gallery_options, opened_gallery
from embedge.cli.device.matcher_options import add_matcher_options, matcher_from

if TYPE_CHECKING:
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.matcher import FaceMatcher


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    parser.add_argument("person", help="the person's name or number, the same every time")
    parser.add_argument("pictures", type=Path, nargs="+", help="one or more pictures")
    parser.add_argument(
        "--rows", choices=("float32", "int8"), default="float32", help="of a new gallery"
    )
    parser.add_argument(
        "--unencrypted", action="store_true", help="create a new gallery without a key"
    )


def run(options: argparse.Namespace) -> int:
    with matcher_from(options) as matcher:
        embeddings = matcher.embed(options.pictures)  # before anything is written
        with _gallery(options, matcher) as gallery:
            records = gallery.enroll(
                options.person, embeddings, matcher.contract, source=matcher.artifact.name
            )
            info = gallery.info()
    if options.json:
        print(json.dumps({"person": options.person, "records": records}))
    else:
        print(
            f"enrolled {options.person}: {len(records)} template(s); the gallery holds"
            f" {info.templates} of {info.people} people ({info.rows}, cipher {info.cipher})"
        )
    return 0


def _gallery(options: argparse.Namespace, matcher: "FaceMatcher") -> "Gallery":
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.gallery.keys import find_key

    if options.gallery.exists():
        return opened_gallery(options, writable=True)
    return Gallery.create(
        options.gallery,
        matcher.contract,
        key=None if options.unencrypted else find_key(options.key_file),
        rows=options.rows,
        unencrypted=options.unencrypted,
    )
